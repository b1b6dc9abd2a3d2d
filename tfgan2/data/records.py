"""TFRecord shards of a data set and their manifest, dataset.json, as tools.prepare writes them."""

import dataclasses
import hashlib
import json
import mmap
import os
import pathlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfgan2.program import UsageError, progress

MANIFEST_NAME = "dataset.json"
REJECTS_NAME = "rejects.jsonl"
FORMAT_VERSION = 2
SHARD_NAME = re.compile(r"[a-z]+-[0-9]+-of-[0-9]+\.tfrecord")
MAX_SHARD_BYTES = 128 * 1024**2

# TFRecord framing: length (8 bytes) and its CRC (4) before the data, the data's CRC (4) after.
LENGTH_BYTES, HEADER_BYTES, FOOTER_BYTES = 8, 12, 4


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file of a split."""

    file: str
    records: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Content of dataset.json.

    Attributes:
      format: version of this layout.
      source: name of the source of the data.
      licence: licence notice of the data.
      image_size: side of the square images in pixels.
      channels: 1 (grey) or 3 (RGB).
      label_names: names of the labels, in order.
      splits: shards by split.
      captions: number of captions by split.
      vocabulary: count of each word in the captions of the train split.
      overlap: number of images and of distinct captions of the test split that the train split
        has too.
      rejects: number of rejected items, which rejects.jsonl lists.
    """

    format: int
    source: str
    licence: str
    image_size: int
    channels: int
    label_names: tuple[str, ...]
    splits: Mapping[str, tuple[Shard, ...]]
    captions: Mapping[str, int]
    vocabulary: Mapping[str, int]
    overlap: Mapping[str, int]
    rejects: int

    def records(self, split: str) -> int:
        """Number of records of a split."""
        return sum(shard.records for shard in self.splits[split])

    @property
    def checksum(self) -> str:
        """SHA-256 over the SHA-256 of the shards; identifies the content of the data set."""
        digests = [shard.sha256 for split in sorted(self.splits) for shard in self.splits[split]]
        return hashlib.sha256("".join(digests).encode()).hexdigest()


def write_manifest(manifest: Manifest, folder: pathlib.Path) -> None:
    """Writes dataset.json."""
    text = json.dumps(dataclasses.asdict(manifest), indent=1, ensure_ascii=False)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def verify(data_dir: str | os.PathLike) -> Manifest:
    """Reads every byte of a data set, and compares it with dataset.json.

    Raises:
      UsageError: a shard is missing or differs; the error names it.
    """
    manifest = load_manifest(data_dir, flag="--verify")
    shards = [shard for split in manifest.splits.values() for shard in split]
    for shard in progress(shards, total=len(shards), description="verify", unit="shards"):
        path = pathlib.Path(data_dir) / shard.file
        digest = _sha256(path)
        if digest != shard.sha256:
            raise UsageError(str(path), f"must have the SHA-256 {shard.sha256}", digest)
        count = len(RecordReader(data_dir, [shard]))
        if count != shard.records:
            raise UsageError(str(path), f"must hold {shard.records} records", count)
    return manifest


def load_manifest(data_dir: str | os.PathLike, *, flag: str = "--data_dir") -> Manifest:
    """Reads dataset.json, and checks that every shard exists with its full size.

    Args:
      data_dir: folder of the data set.
      flag: flag that names the folder, for error messages.

    Raises:
      UsageError: there is no data set, its format is another, or a shard has another size.
    """
    folder = pathlib.Path(data_dir)
    if not folder.is_dir():
        raise UsageError(flag, "must be a directory that tools.prepare wrote", data_dir)
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise UsageError(flag, f"must hold {MANIFEST_NAME} (see tools.prepare)", data_dir)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["format"] != FORMAT_VERSION:
            raise UsageError(str(path), f"must be of format {FORMAT_VERSION}", fields["format"])
        fields["splits"] = {
            split: tuple(Shard(**shard) for shard in shards)
            for split, shards in fields["splits"].items()
        }
        fields["label_names"] = tuple(fields["label_names"])
        manifest = Manifest(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(str(path), "must be the manifest of a data set", repr(error)) from error
    for shard in (shard for shards in manifest.splits.values() for shard in shards):
        file = folder / shard.file
        size = file.stat().st_size if file.is_file() else "no file"
        if size != shard.bytes:
            raise UsageError(str(file), f"must have {shard.bytes} bytes", size)
    return manifest


def file_names(manifest: pathlib.Path) -> set[str]:
    """Names of the files of a data set, from a manifest of any format version.

    Args:
      manifest: path of the manifest; the data set need not be complete.

    Raises:
      UsageError: the file is not the manifest of a data set.
    """
    try:
        splits = json.loads(manifest.read_text(encoding="utf-8"))["splits"]
        names = {shard["file"] for shards in splits.values() for shard in shards}
        strange = sorted(name for name in names if not SHARD_NAME.fullmatch(name))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        rule = "must be the manifest of a data set"
        raise UsageError(str(manifest), rule, repr(error)) from error
    if strange:
        raise UsageError(str(manifest), "must name shards of a data set", strange[0])
    return names | {MANIFEST_NAME, REJECTS_NAME}


class RecordReader:
    """Serialized records of a split by index, in any order, through memory maps."""

    def __init__(self, data_dir: str | os.PathLike, shards: Iterable[Shard]) -> None:
        """Maps the shards, and finds the start of each record.

        Args:
          data_dir: folder of the shards.
          shards: shards of one split, in order.

        Raises:
          UsageError: the framing of a shard is damaged.
        """
        self._maps: list[mmap.mmap] = []
        starts: list[tuple[int, int, int]] = []
        for number, shard in enumerate(shards):
            path = pathlib.Path(data_dir) / shard.file
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            starts += [(number, start, end) for start, end in _frames(content, path)]
            self._maps.append(content)
        self._frames = np.asarray(starts, np.int64).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, record: int) -> bytes:
        """Returns the serialized `tf.train.Example` of an index."""
        shard, start, end = self._frames[record]
        return self._maps[shard][start:end]


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses the features of one record.

    Args:
      serialized: string scalar.

    Returns:
      image: string scalar (PNG or JPEG); captions: string [n]; label: int64; key: string.
    """
    return tf.io.parse_single_example(
        serialized,
        {
            "image": tf.io.FixedLenFeature([], tf.string),
            "captions": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
            "label": tf.io.FixedLenFeature([], tf.int64),
            "key": tf.io.FixedLenFeature([], tf.string),
        },
    )


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _frames(content: mmap.mmap, path: pathlib.Path) -> Iterator[tuple[int, int]]:
    position, size = 0, len(content)
    while position < size:
        header = content[position : position + LENGTH_BYTES]
        if len(header) < LENGTH_BYTES:
            raise UsageError(str(path), "must be whole TFRecords", f"a cut at byte {position}")
        (length,) = struct.unpack("<Q", header)
        start = position + HEADER_BYTES
        position = start + length + FOOTER_BYTES
        if position > size:
            raise UsageError(str(path), "must be whole TFRecords", f"a cut at byte {size}")
        yield start, start + length
