"""TFRecord shards of a data set and their manifest, dataset.json, as tools.prepare writes them."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import mmap
import os
import pathlib
import re
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from tfgan2.program import UsageError, progress

MANIFEST_NAME = "dataset.json"
REJECTS_NAME = "rejects.jsonl"
FORMAT_VERSION = 2
SHARD_NAME = re.compile(r"[a-z]+-[0-9]+-of-[0-9]+\.tfrecord")
MAX_SHARD_BYTES = 128 * 1024**2
# Shards that a reader has open, at most: two windows of the training order.
OPEN_SHARDS = 16
COPY_BYTES = 4 * 1024**2
# Shards whose size is looked up at the same time.
LOOK_UPS = 32

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
      files: number of files of the input folder by class; empty for a source that is no folder of
        a user's files, and for data sets of earlier versions.
      word_rules: rules by which the words were counted; in data sets of 0.2.0 `letters`.
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
    files: Mapping[str, int] = dataclasses.field(default_factory=dict)
    word_rules: str = "unicode"

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
        path = os.path.join(data_dir, shard.file)
        digest = _sha256(path)
        if digest != shard.sha256:
            raise UsageError(path, f"must have the SHA-256 {shard.sha256}", digest)
        count = len(_OpenShard(path))
        if count != shard.records:
            raise UsageError(path, f"must hold {shard.records} records", count)
    return manifest


def load_manifest(data_dir: str | os.PathLike, *, flag: str = "--data_dir") -> Manifest:
    """Reads dataset.json, and checks that every shard exists with its full size.

    Args:
      data_dir: folder of the data set.
      flag: flag that names the folder, for error messages.

    Raises:
      UsageError: there is no data set, its format is another, or a shard has another size.
    """
    if not tf.io.gfile.isdir(data_dir):
        raise UsageError(flag, "must be a directory that tools.prepare wrote", data_dir)
    path = os.path.join(data_dir, MANIFEST_NAME)
    if not tf.io.gfile.exists(path):
        raise UsageError(flag, f"must hold {MANIFEST_NAME} (see tools.prepare)", data_dir)
    try:
        fields = json.loads(tf.io.gfile.GFile(path, "rb").read())
        if fields["format"] != FORMAT_VERSION:
            raise UsageError(path, f"must be of format {FORMAT_VERSION}", fields["format"])
        fields["splits"] = {
            split: tuple(Shard(**shard) for shard in shards)
            for split, shards in fields["splits"].items()
        }
        fields["label_names"] = tuple(fields["label_names"])
        manifest = Manifest(**{"word_rules": "letters", **fields})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(path, "must be the manifest of a data set", repr(error)) from error
    shards = [shard for split in manifest.splits.values() for shard in split]
    files = [os.path.join(data_dir, shard.file) for shard in shards]
    with concurrent.futures.ThreadPoolExecutor(LOOK_UPS) as pool:
        for shard, file, size in zip(shards, files, pool.map(_size, files), strict=True):
            if size != shard.bytes:
                raise UsageError(file, f"must have {shard.bytes} bytes", size)
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
    """Serialized records of a split by index, in any order; opens a shard when it is first read.

    A shard of this machine is mapped into memory; a shard of another file system is copied to a
    temporary file first. At most `OPEN_SHARDS` are open; the one that was read longest ago closes.
    """

    def __init__(self, data_dir: str | os.PathLike, shards: Iterable[Shard]) -> None:
        """Reads nothing yet.

        Args:
          data_dir: folder of the data set.
          shards: shards of the split, in order.
        """
        self._paths, counts = [], [0]
        for shard in shards:
            self._paths.append(os.path.join(data_dir, shard.file))
            counts.append(shard.records)
        self._ends = np.cumsum(counts)
        self._open: collections.OrderedDict[int, _OpenShard] = collections.OrderedDict()
        self._lock = threading.Lock()  # Several batches are read at the same time.

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, record: int) -> bytes:
        """Returns the serialized `tf.train.Example` of an index."""
        shard = int(np.searchsorted(self._ends, record, side="right")) - 1
        return self._opened(shard)[int(record - self._ends[shard])]

    def _opened(self, number: int) -> "_OpenShard":
        with self._lock:
            if number not in self._open:
                if len(self._open) == OPEN_SHARDS:
                    self._open.popitem(last=False)
                self._open[number] = _OpenShard(self._paths[number])
            self._open.move_to_end(number)
            return self._open[number]


class _OpenShard:
    """Records of one shard by index."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") if is_local(path) else _copied(path) as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._frames = np.asarray(list(_frames(self._content, path)), np.int64)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, record: int) -> bytes:
        start, end = self._frames[record]
        return self._content[start:end]


def is_local(path: str | os.PathLike) -> bool:
    """Returns whether a path is one of this machine, unlike gs://bucket/folder."""
    return "://" not in os.fspath(path)


@contextlib.contextmanager
def _copied(path: str) -> Iterator[BinaryIO]:
    """Copies a file of another file system to a temporary file without a name."""
    with tempfile.TemporaryFile() as copy:
        with tf.io.gfile.GFile(path, "rb") as file:
            while content := file.read(COPY_BYTES):
                copy.write(content)
        copy.flush()
        yield copy


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


def _size(file: str) -> int | str:
    try:
        return tf.io.gfile.stat(file).length
    except tf.errors.NotFoundError:
        return "no file"


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while content := file.read(COPY_BYTES):
            digest.update(content)
    return digest.hexdigest()


def _frames(content: mmap.mmap, path: str) -> Iterator[tuple[int, int]]:
    position, size = 0, len(content)
    while position < size:
        header = content[position : position + LENGTH_BYTES]
        if len(header) < LENGTH_BYTES:
            raise UsageError(path, "must be whole TFRecords", f"a cut at byte {position}")
        (length,) = struct.unpack("<Q", header)
        start = position + HEADER_BYTES
        position = start + length + FOOTER_BYTES
        if position > size:
            raise UsageError(path, "must be whole TFRecords", f"a cut at byte {size}")
        yield start, start + length
