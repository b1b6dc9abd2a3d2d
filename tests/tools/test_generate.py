"""tools.generate as a program: user errors, worker processes and the summary."""

import pathlib
import shutil

import pytest

from tests import programs
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, tree, write_captions


def run_generate(*options: str) -> programs.Ended:
    return programs.run("tools.generate", *options)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("painted")
    painted.write(folder)
    return f"--export_dir={folder}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--captions=c", "--export_dir: must be given, or else --target, got none"),
        ("--export_dir=e --target=a:1", "--export_dir: must be given, or else --target, got"),
        ("--target=a:1 --captions=c", "--model: must be given with --target, and only then"),
        ("--export_dir=e", "--captions: must be given, or else --count, got none"),
        ("--export_dir=e --count=1 --images_per_caption=2", "--images_per_caption: must be"),
        ("--export_dir=e --captions=c more", "arguments: only flags are taken, and options"),
        ("--export_dir=e --captions=c -- --runer=x", "--: must be followed by options"),
        ("--export_dir=e --captions=c -- --direct_num_workers=x", "--: must be followed"),
        ("--export_dir=e --captions=c -- --direct_num_workers=2", "--direct_num_workers"),
        ("--export_dir=/none --captions=c", "--export_dir: must hold a version, as tools.exp"),
        ("{model} --captions={damaged}.none*", "--captions: must be a file, or a pattern that m"),
        ("{model} --captions={damaged}", "--captions: must be whole files, got"),
        ("{model} --count=3", "--captions: must be given for a model that draws with captio"),
    ],
)
def test_user_error_is_one_line(
    options: str, message: str, model: str, tmp_path: pathlib.Path
) -> None:
    damaged = tmp_path / "captions.txt.gz"
    damaged.write_bytes(b"no gzip")
    given = options.format(model=model, damaged=damaged).split()
    error = programs.error_of("tools.generate", f"--output_dir={tmp_path / 'out'}", *given)
    assert error.startswith(message)
    assert not list((tmp_path / "out").glob("*[!k]"))


def test_half_copied_weights_are_one_error_without_a_traceback(
    model: str, tmp_path: pathlib.Path
) -> None:
    copy = shutil.copytree(model.partition("=")[2], tmp_path / "model")
    for weights in copy.rglob("variables.data-*"):
        weights.write_bytes(weights.read_bytes()[:-10])
    captions = write_captions(tmp_path / "captions.txt", ["a"])
    options = [f"--captions={captions}", f"--output_dir={tmp_path / 'out'}"]
    ended = run_generate(f"--export_dir={copy}", *options)
    assert ended.returncode == 2
    *bar, error = ended.stderr.splitlines()
    assert error.startswith("error: --export_dir: must hold a whole version, as tools.export wr")
    assert all(line.startswith("generate:") for line in bar)


def test_dry_run_counts_captions_and_writes_no_files(model: str, tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a", "b", "c"])
    asked = ["--dry_run", f"--captions={captions}", f"--output_dir={tmp_path / 'out'}"]
    ended = run_generate(model, *asked, "--images_per_caption=5", "--batch_size=4", "--shards=2")
    assert ended.stdout == "15 pictures in 4 blocks and 2 shards\n", ended.stderr
    assert not (tmp_path / "out").exists()


def test_worker_processes_write_the_same_files(model: str, tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a", painted.REFUSED, "b", "c"])
    ended = run_generate(
        model,
        *(f"--captions={captions}", f"--output_dir={tmp_path / 'out'}", "--batch_size=3"),
        *("--images_per_caption=5", "--shards=4", "--seed=7", "--truncation=0.5"),
        *("--", "--direct_running_mode=multi_processing", "--direct_num_workers=2"),
    )
    summary = "15 pictures, 15 of them with unknown words, 5 errors"
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{tmp_path / 'out'}: {summary}, in ")
    assert {line.partition(":")[0] for line in ended.stderr.splitlines()} == {"generate"}
    folder = pathlib.Path(model.partition("=")[2])
    options = {"images_per_caption": 5, "shards": 4, "seed": 7, "truncation": 0.5}
    generate(folder, captions, tmp_path / "one", **options)
    assert tree(tmp_path / "out") == tree(tmp_path / "one")
