"""A user's folder: the common forms of captions, and rejects with reasons."""

import os
import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.sources.conftest import (
    Read,
    captions,
    jpeg,
    jsonl,
    keys,
    mean_colour,
    png,
    reasons,
    write,
)
from tfgan2.data import sources
from tfgan2.data.images import UnreadableError
from tfgan2.program import UsageError


def test_captions_are_read_from_text_files_jsonl_and_csv(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(
        tmp_path,
        {
            "a/red.png": png(),
            "a/red.txt": "\ufeffa red square\n\n  a   square that is red \r\n",
            "a/deep/tree/blue.JPG": jpeg((0, 0, 200)),
            "a/deep/metadata.jsonl": jsonl({"file_name": "tree/blue.JPG", "text": "Ei"}),
            "green.png": png((0, 200, 0)),
            "metadata.jsonl": jsonl({"file_name": "green.png", "captions": ["grün", "a leaf"]}),
            "captions.csv": 'file_name,caption\r\na/red.png,x\ngreen.png,"moss, or\na ""lawn"""',
            "LICENSE.txt": "not a caption",
        },
    )
    collection = read("folder")
    assert captions(collection) == {
        "a/deep/tree/blue.JPG": ("Ei",),
        "a/red.png": ("a red square", "a square that is red", "x"),
        "green.png": ('moss, or a "lawn"', "grün", "a leaf"),
    }
    assert not collection.rejects
    items = [item for items in collection.splits.values() for item in items]
    assert {item.key: mean_colour(item)[1] > 150 for item in items} == {
        "a/deep/tree/blue.JPG": False,
        "a/red.png": False,
        "green.png": True,
    }


def test_every_fault_is_a_reject_with_its_reason(tmp_path: pathlib.Path, read: Read) -> None:
    write(
        tmp_path,
        {
            "good.png": png(),
            "good.txt": b"fine\ncaf\xe9\n",
            "alone.png": png(),
            "blank.png": png(),
            "blank.txt": " \n\n",
            "latin.png": png(),
            "latin.txt": b"caf\xe9",
            "photo.heic": b"...",
            "empty.png": png(),
            "number.png": png(),
            "metadata.jsonl": jsonl(
                {"file_name": "empty.png", "text": " "},
                {"file_name": "number.png", "text": 5},
                {"file_name": "../gone.png", "text": "x"},
                {"file_name": "good.png"},
                ["good.png", "x"],
            )
            + '{"file_name": "good.png", "text": "\\ud800"}\n{"file_name"',
            "captions.csv": "file_name,caption\ngood.png\n,\ngood.png,a,b\n",
        },
    )
    collection = read("folder", test_fraction=0.0)
    assert captions(collection) == {"good.png": ("fine",)}
    found = sorted((reject.key, reject.reason) for reject in collection.rejects)
    line = 'line must be {"file_name": NAME, "text": CAPTION} or {..., "captions": [CAPTION, ]}'
    assert found == sorted(
        [
            ("good.png", "caption is not UTF-8"),
            ("good.png", "caption is not UTF-8"),
            ("alone.png", "image has no caption"),
            ("blank.png", "image has no caption"),
            ("latin.png", "caption is not UTF-8"),
            ("photo.heic", "image is of a format that is not read"),
            ("empty.png", "caption is empty"),
            ("number.png", "caption is no text but int"),
            ("../gone.png", "metadata.jsonl names an image that is not there"),
            ("metadata.jsonl:4", line),
            ("metadata.jsonl:5", line),
            ("metadata.jsonl:7", line),
            ("captions.csv:2", "line must have 2 fields, has 1"),
            ("captions.csv", "captions.csv names an image that is not there"),
            ("captions.csv:4", "line must have 2 fields, has 3"),
        ]
    )


def test_broken_image_is_unreadable_when_loaded(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a.png": png()[:60], "a.txt": "x"})
    [item] = read("folder", test_fraction=0.0).splits["train"]
    with pytest.raises(UnreadableError, match="image is broken"):
        item.draw()


def test_names_that_are_not_utf8_are_rejected(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {"a.png": png(), "a.txt": "x"})
    odd = os.fsencode(tmp_path) + b"/\xff"
    for suffix in (b".png", b".txt"):
        os.link(os.fsencode(tmp_path) + b"/a" + suffix, odd + suffix)
    assert reasons(read("folder")) == {"\\xff.png": "file name is not UTF-8"}


def test_split_depends_on_names_and_is_stable_when_images_are_added(
    tmp_path: pathlib.Path, read: Read
) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            write(tmp_path, {f"{number}.png": png(), f"{number}.txt": "x"})

    add(range(40))
    before = keys(read("folder", test_fraction=0.25))
    assert len(before["test"]) == 10
    add(range(40, 50))
    after = keys(read("folder", test_fraction=0.25))
    assert len(set(before["test"]) - set(after["test"])) <= 3
    assert not set(after["test"]) & set(after["train"])


def test_user_errors_are_refused_with_their_rule(tmp_path: pathlib.Path, read: Read) -> None:
    with pytest.raises(UsageError, match="--input_dir: must hold images"):
        read("folder")
    with pytest.raises(UsageError, match="--input_dir: must be a directory"):
        read("folder", input_dir=str(tmp_path / "none"))
    with pytest.raises(UsageError, match="--input_dir: must be given"):
        read("folder", input_dir=None)
    write(tmp_path, {"a.png": png(), "captions.csv": "name,text\na.png,x\n"})
    with pytest.raises(UsageError, match="must begin with the header file_name,caption"):
        read("folder")


tables = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [
            *(b'{"file_name": "a.png", ', b'"text": "x"}', b'"captions": ["x"]}'),
            *(b"\n", b"\r", b"\xff", b"\0", b"[" * 50, b"\\ud800"),
            *(b"a.png,x\n", b'"', b",", b"a.png"),
        ]
    ),
    max_size=12,
).map(b"".join)


@pytest.mark.parametrize("name", ["metadata.jsonl", "captions.csv", "a.txt"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables)
def test_any_bytes_give_text_captions_or_rejects_with_reasons(
    name: str, table: bytes, tmp_path: pathlib.Path
) -> None:
    head = b"file_name,caption\n" if name == "captions.csv" else b""
    write(tmp_path, {"a.png": png(), "b.png": png(), "b.txt": "fine", name: head + table})
    options = sources.SourceOptions(image_size=16, input_dir=str(tmp_path), test_fraction=0.0)
    collection = sources.read("folder", options)
    found = captions(collection)
    assert found["b.png"] == ("fine",)
    for caption in found.get("a.png", ()):
        assert caption == " ".join(caption.split())
        assert caption.encode()
    assert "a.png" in found or "a.png" in reasons(collection)
    assert all(reject.key.encode() and reject.reason.encode() for reject in collection.rejects)
