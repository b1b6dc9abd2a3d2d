"""WebDataset's tar shards, with the names of img2dataset's output."""

import contextlib
import io
import json
import pathlib
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.sources.conftest import (
    Read,
    captions,
    jpeg,
    keys,
    mean_colour,
    png,
    reasons,
    write,
)
from tfgan2.data import sources
from tfgan2.data.images import UnreadableError
from tfgan2.program import UsageError


def tar(files: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as shard:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            shard.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


RED, BLUE = jpeg((200, 0, 0)), jpeg((0, 0, 200))


def test_output_of_img2dataset_is_read(tmp_path: pathlib.Path, read: Read) -> None:
    shard = tar(
        {
            "000000000.jpg": RED,
            "000000000.json": json.dumps({"caption": "red", "key": "000000000", "alt": "rot"}),
            "000000000.txt": "red",
            "000000001.jpg": BLUE,
            "000000001.json": json.dumps({"caption": "blue", "alt": ["blau", "bleu"]}),
            "000000002.txt": "no image",
            "000000003.jpg": RED,
        }
    )
    write(tmp_path, {"00000.tar": shard, "00000.parquet": b"PAR1", "00000_stats.json": "{}"})
    collection = read("webdataset", test_fraction=0.0)
    assert captions(collection) == {
        "00000.tar/000000000": ("red",),
        "00000.tar/000000001": ("blue",),
    }
    colours = [mean_colour(item) for item in collection.splits["train"]]
    assert colours[0][0] > 150 > colours[0][2]
    assert colours[1][2] > 150 > colours[1][0]
    assert reasons(collection) == {
        "00000.tar/000000002": "sample has no image",
        "00000.tar/000000003": "image has no caption",
    }
    column = captions(read("webdataset", caption_column="alt", test_fraction=0.0))
    assert column["00000.tar/000000001"] == ("blau", "bleu")


def test_shards_are_the_split_by_their_names(tmp_path: pathlib.Path, read: Read) -> None:
    for name in ("train-000000.tar", "train-000001.tar", "val-000000.tar"):
        write(tmp_path, {name: tar({"a/1.png": png(), "a/1.txt": f"{name}\nx\n"})})
    collection = read("webdataset", captions="first")
    assert keys(collection) == {
        "train": ["train-000000.tar/a/1", "train-000001.tar/a/1"],
        "test": ["val-000000.tar/a/1"],
    }
    assert captions(collection)["val-000000.tar/a/1"] == ("val-000000.tar",)


@pytest.mark.parametrize("blocks", [7, 8, 9], ids=["between_files", "before_data", "in_data"])
def test_samples_before_the_end_of_a_cut_shard_are_kept(
    blocks: int, tmp_path: pathlib.Path, read: Read
) -> None:
    assert 512 < len(RED) <= 1024
    content = tar({"1.txt": "one", "1.jpg": RED, "2.txt": "two", "2.jpg": BLUE})
    write(tmp_path, {"a.tar": content[: 512 * blocks]})
    collection = read("webdataset", test_fraction=0.0)
    assert captions(collection)["a.tar/1"] == ("one",)
    assert reasons(collection)["a.tar"].startswith("shard is damaged: ")


def test_folders_without_readable_shards_are_refused(tmp_path: pathlib.Path, read: Read) -> None:
    with pytest.raises(UsageError, match=r"must hold \.tar shards, got"):
        read("webdataset")
    write(tmp_path, {"a.tar.gz": b"x"})
    with pytest.raises(UsageError, match=r"a\.tar\.gz: shard must be a \.tar without compression"):
        read("webdataset")
    write(tmp_path, {"a.tar": b"no tar at all" * 100})
    with pytest.raises(UsageError, match=r"captioned images \(.*got 1 rejects and no other"):
        read("webdataset")


SHARD = tar({"1.txt": "one", "1.jpg": RED, "2.json": '{"caption": "two"}', "2.jpg": BLUE})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, len(SHARD) - 1), byte=st.integers(0, 255), end=st.integers(0, len(SHARD)))
def test_damaged_shards_give_images_or_rejects(
    at: int, byte: int, end: int, tmp_path: pathlib.Path
) -> None:
    content = bytearray(SHARD)
    content[at] = byte
    write(tmp_path, {"a.tar": bytes(content[:end]), "b.tar": SHARD})
    options = sources.SourceOptions(image_size=16, input_dir=str(tmp_path), test_fraction=0.0)
    collection = sources.listed(sources.read("webdataset", options))
    assert {"b.tar/1", "b.tar/2"} <= captions(collection).keys()
    for item in collection.splits["train"]:
        with contextlib.suppress(UnreadableError):
            assert item.draw().shape == (16, 16, 3)
    assert all(reject.key.encode() for reject in collection.rejects)
