"""tools.prepare as a program: its warnings, and the lines below an error."""

import json
import pathlib

from tests import programs
from tests.data.sources.conftest import png, write


def test_prepare_warns_of_test_captions_without_a_known_word(tmp_path: pathlib.Path) -> None:
    images = {f"{split}/1.png": png() for split in ("train", "test")}
    texts = {"train/1.txt": "a dog", "test/1.txt": "A DOG\nzebra crossing\n"}
    write(tmp_path / "mine", {**images, **texts})
    options = (f"--input_dir={tmp_path}/mine", f"--output_dir={tmp_path}/out", "--workers=1")
    ended = programs.run("tools.prepare", "--source=folder", *options)
    assert ended.returncode == 0, ended.stderr
    warning = "1 of 2 test captions have no word of the train split, such as 'zebra crossing'"
    assert f"warning: {warning}" in ended.stderr
    assert "read: text files beside the images: test/1.txt, train/1.txt" in ended.stdout
    assert json.loads((tmp_path / "out/dataset.json").read_text())["captions"]["test"] == 2


def test_prepare_prints_the_layouts_below_the_error(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "mine", {"a.png": png(), "b.csv": "pic,says\na.png,x\n"})
    options = (f"--input_dir={tmp_path}/mine", f"--output_dir={tmp_path}/out")
    ended = programs.run("tools.prepare", "--source=folder", *options)
    assert ended.returncode == 2
    error, *hints = ended.stderr.splitlines()
    assert error.startswith("error: --input_dir: must hold images with captions")
    assert "  found: b.csv with the columns pic, says" in hints
    assert "  layout: a.png, a.txt: a caption per line" in hints
