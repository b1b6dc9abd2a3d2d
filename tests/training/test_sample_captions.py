"""Captions of sample grids: known words, spread over the data, train and test marked."""

import functools
import pathlib

import numpy as np
import pytest

from tests.contract.runs import eagerly, train_to
from tests.tiny import QUICK, TINY
from tfgan2.data import preparing, records
from tfgan2.data.sources import Collection, Item
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.text.tokenizers import count_words
from tfgan2.training import periodic, sample_captions

COLOURS = ("red", "blue", "green", "old", "new", "two")
THINGS = ("dog", "cat", "tree", "house", "boat")


def blank() -> np.ndarray:
    return np.zeros([32, 32, 3], np.uint8)


def item(caption: str, label: int = -1) -> Item:
    return Item(caption, functools.partial(blank), (caption, "a picture"), label)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Thirty captions to train on, and test captions of known and of unknown words."""
    train = [item(f"{colour} {thing}") for colour in COLOURS for thing in THINGS]
    test = [item(f"{thing} and {thing}") for thing in THINGS] + [item("red dog"), item("zebra")]
    test += [item(f"{thing} {colour}") for colour in COLOURS for thing in THINGS]
    target = tmp_path_factory.mktemp("captioned") / "data"
    preparing.prepare(
        Collection(splits={"train": train, "test": test}, licence="none"),
        source="folder",
        image_size=32,
        output_dir=target,
        count_words=count_words,
    )
    return target


def test_captions_are_of_known_words_and_spread_over_both_splits(
    captioned: pathlib.Path,
) -> None:
    manifest = records.load_manifest(captioned)
    chosen = sample_captions.choose(captioned, manifest, known=manifest.vocabulary)
    assert len(set(chosen.texts)) == 10
    assert chosen.splits == ("train",) * 5 + ("test",) * 5
    # `and`, `zebra`: words that the train split lacks. `red dog`: a caption that it has.
    assert all(word in manifest.vocabulary for text in chosen.texts for word in text.split())
    assert "red dog" not in chosen.texts[5:]
    for half in (chosen.texts[:5], chosen.texts[5:]):
        assert len({text.split()[0] for text in half}) == 5
        assert len({text.split()[1] for text in half}) == 5
    assert chosen.titles[0] == f"train: {chosen.texts[0]}"
    assert chosen.titles[9] == f"test: {chosen.texts[9]}"


def test_each_class_has_a_caption_before_a_class_has_two() -> None:
    classes = {f"the digit {number}": number // 3 for number in range(30)}
    chosen = sample_captions.spread(classes, known=None, count=10)
    assert [classes[text] for text in chosen] == list(range(10))


def test_captions_of_unknown_words_are_chosen_only_if_there_are_no_others() -> None:
    classes = {"a zebra": -1, "a lion": -1}
    assert sample_captions.spread(classes, known={"a", "lion"}, count=2) == ("a lion",)
    assert set(sample_captions.spread(classes, known={"a"}, count=2)) == set(classes)


def test_flag_is_a_file_of_lines_or_a_list(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_text("a red | dog\n\n  a   cat \n", encoding="utf-8-sig")
    assert sample_captions.parse(str(file), QUICK).texts == ("a red | dog", "a cat")
    assert sample_captions.parse("a dog| a cat|", QUICK).texts == ("a dog", "a cat")


@pytest.mark.parametrize(
    ("value", "model", "message"),
    [
        ("|", "df_gan", "must be a file with 1 to 100 lines, or captions .* got 0 captions"),
        ("|".join(map(str, range(101))), "df_gan", ".* got 101 captions"),
        ("7", "auto_write", "must be left out for auto_write, which reads none, got 7"),
    ],
    ids=["none", "many", "unconditional"],
)
def test_invalid_captions_are_refused(value: str, model: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--sample_captions: {message}"):
        sample_captions.parse(value, TINY[model])


def test_run_keeps_its_captions_and_a_start_may_have_others(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []

    def draw_grid(sampler: object, captions: list[str], *, titles: list[str]) -> tuple[bytes, None]:
        drawn.append(titles)
        return b"", None

    monkeypatch.setattr(periodic, "draw_grid", draw_grid)
    monkeypatch.setattr(periodic, "draw_interpolation", lambda sampler, captions: b"")
    monkeypatch.setattr(periodic, "animation", lambda grids: b"")
    monkeypatch.setattr(periodic.TensorBoardWriter, "picture", lambda *_, **__: None)
    with eagerly():
        for steps, captions in ((1, "the digit 3|the digit 7"), (2, None), (3, "zebra")):
            train_to(steps, QUICK, data_dir, tmp_path / "run", captions=captions)
    given = ["the digit 3", "the digit 7"]
    assert drawn == [given, given, ["zebra"]]
    config = RunDirectory.existing(tmp_path / "run").read_config()
    assert config.data["example_captions"] == given
