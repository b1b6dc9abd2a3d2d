"""Emoji: rendered from the real font, with captions from the real packages."""

import itertools
import pathlib

import numpy as np
import pytest
from PIL import features

from tests.data.sources.conftest import Read, captions, keys, reasons
from tfgan2.data import sources
from tfgan2.program import UsageError

APPLE, GREEN_HEART, FAMILY = "1F34E", "1F49A", "1F468-200D-1F469-200D-1F466"


@pytest.fixture(scope="module")
def collection() -> sources.Collection:
    return sources.read("emoji", sources.SourceOptions(image_size=48))


def test_names_aliases_and_keywords_are_captions(collection: sources.Collection) -> None:
    found = captions(collection)
    name, alias, described = found[APPLE]
    assert (name, alias) == ("red apple", "apple")
    assert described.startswith("red apple, ")
    assert "fruit" in described
    assert not any(
        "_" in caption or ":" in caption[0] for text in found.values() for caption in text
    )


def test_each_emoji_has_a_distinct_color_image(collection: sources.Collection) -> None:
    items = [item for items in collection.splits.values() for item in items]
    if features.check("raqm"):
        assert len(items) > 1800
    else:
        assert len(items) > 1300
    assert not any("skin tone" in item.captions[0] for item in items)
    drawn = [item.draw() for item in itertools.islice(items, 0, None, 25)]
    assert all(image.shape == (48, 48, 3) for image in drawn)
    assert len({image.tobytes() for image in drawn}) == len(drawn)
    apple = next(item for item in items if item.key == APPLE).draw().astype(int)
    assert (apple[0, 0] == 255).all()
    red, green, blue = apple[20:28, 16:24].mean(axis=(0, 1))
    assert red > green + 60
    assert red > blue + 60


def test_emoji_missing_in_the_font_are_rejected(collection: sources.Collection) -> None:
    found = reasons(collection)
    assert set(found.values()) <= {
        "the font does not draw it",
        "the font draws another emoji in the same way",
        "the font draws it as several glyphs",
        "a sequence of code points needs Raqm (Debian: libfribidi0)",
    }
    assert "the font does not draw it" in found.values()


def test_held_out_names_are_only_in_the_test_split(tmp_path: pathlib.Path) -> None:
    names = tmp_path / "held_out.txt"
    names.write_text("Green Heart\n\npurple circle\n")
    options = sources.SourceOptions(image_size=32, held_out=str(names), test_fraction=0.0)
    collection = sources.read("emoji", options)
    assert sorted(item.captions[0] for item in collection.splits["test"]) == [
        "green heart",
        "purple circle",
    ]
    assert GREEN_HEART not in keys(collection)["train"]
    names.write_text("green hart\n")
    with pytest.raises(UsageError, match="--held_out: must name emoji that are drawn, got 'green"):
        sources.read("emoji", options)


def test_background_has_the_given_color(tmp_path: pathlib.Path, read: Read) -> None:
    options = sources.SourceOptions(image_size=32, background=(1, 2, 3))
    image = sources.read("emoji", options).splits["train"][0].draw()
    assert image[0, 0].tolist() == [1, 2, 3]


def test_folder_without_the_font_is_refused(tmp_path: pathlib.Path, read: Read) -> None:
    with pytest.raises(UsageError, match=r"--input_dir: must hold glyf_colr0\.ttf"):
        read("emoji")
    (tmp_path / "glyf_colr0.ttf").write_bytes(b"no font")
    with pytest.raises(UsageError, match="must be a font"):
        read("emoji")


def test_data_set_includes_the_licence(collection: sources.Collection) -> None:
    assert "CC BY-SA 4.0" in collection.licence
    assert np.all([item.label == -1 for item in collection.splits["train"]])
