"""TFRecord shards and their manifest, dataset.json: written once by prepare, read by the rest."""

import dataclasses
import hashlib
import json
import mmap
import os
import pathlib
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfgan2.data.images import encode_png
from tfgan2.data.sources import Collection, Example
from tfgan2.program import UsageError, progress

MANIFEST_NAME = "dataset.json"
FORMAT_VERSION = 1
RECORDS_PER_SHARD = 10_000

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
    """What dataset.json says of a prepared data set.

    Attributes:
      format: version of this layout.
      source: name of the source it was prepared from.
      licence: the notice under which the data may be used.
      image_size: side of the square images in pixels.
      channels: 1 (grey) or 3 (RGB).
      label_names: a name for every label.
      splits: shards by split.
      captions: how many captions each split holds.
      vocabulary: how often each word stands in the captions of the train split.
      rejects: how many items were rejected.
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
    rejects: int

    def records(self, split: str) -> int:
        """Number of records of a split."""
        return sum(shard.records for shard in self.splits[split])

    @property
    def checksum(self) -> str:
        """SHA-256 over the shards' own, which names the data set's content."""
        digests = [shard.sha256 for split in sorted(self.splits) for shard in self.splits[split]]
        return hashlib.sha256("".join(digests).encode()).hexdigest()


def write(
    collection: Collection,
    *,
    source: str,
    image_size: int,
    output_dir: str | os.PathLike,
    count_words: Callable[[list[str]], Mapping[str, int]],
) -> Manifest:
    """Writes a collection as a data set, whole or not at all.

    Args:
      collection: what to write.
      source: name of the source, for the manifest.
      image_size: side of its images in pixels.
      output_dir: absent, empty, or an earlier data set, which is replaced.
      count_words: from captions to the number of times that each word stands in them.

    Raises:
      UsageError: `output_dir` holds something else.
    """
    target = pathlib.Path(output_dir)
    _check_replaceable(target)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        splits: dict[str, tuple[Shard, ...]] = {}
        captions: dict[str, int] = {}
        vocabulary: Mapping[str, int] = {}
        for split, examples in collection.splits.items():
            texts: list[str] = []
            splits[split] = _write_split(
                examples, collection.sizes[split], split=split, folder=partial, captions=texts
            )
            captions[split] = len(texts)
            if split == "train":
                vocabulary = count_words(texts)
        manifest = Manifest(
            format=FORMAT_VERSION,
            source=source,
            licence=collection.licence,
            image_size=image_size,
            channels=collection.channels,
            label_names=collection.label_names,
            splits=splits,
            captions=captions,
            vocabulary=vocabulary,
            rejects=0,
        )
        text = json.dumps(dataclasses.asdict(manifest), indent=1, ensure_ascii=False)
        (partial / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
        _replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def load_manifest(data_dir: str | os.PathLike) -> Manifest:
    """Reads dataset.json and checks that every shard is there, whole.

    Raises:
      UsageError: there is no data set, or it is of another format, or a shard is not as written.
    """
    folder = pathlib.Path(data_dir)
    if not folder.is_dir():
        raise UsageError("--data_dir", "must be a directory that tools.prepare wrote", data_dir)
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise UsageError("--data_dir", f"must hold {MANIFEST_NAME} (see tools.prepare)", data_dir)
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


class RecordReader:
    """Serialized records of a split by their number, in any order, through memory maps."""

    def __init__(self, data_dir: str | os.PathLike, shards: Iterable[Shard]) -> None:
        """Maps the shards and finds where their records begin.

        Args:
          data_dir: folder of the shards.
          shards: those of one split, in order.

        Raises:
          UsageError: a shard's framing is broken.
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
        """The serialized `tf.train.Example` of that number."""
        shard, start, end = self._frames[record]
        return self._maps[shard][start:end]


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Reads the features of one record.

    Args:
      serialized: string scalar.

    Returns:
      image: string scalar (PNG or JPEG), captions: string [n], label: int64, key: string.
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


def _check_replaceable(target: pathlib.Path) -> None:
    if target.exists() and not target.is_dir():
        raise UsageError("--output_dir", "must be a directory or absent", target)
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST_NAME).is_file():
        raise UsageError("--output_dir", "must be empty, absent or an earlier data set", target)


def _replace(new: pathlib.Path, target: pathlib.Path) -> None:
    if target.exists():
        retired = target.with_name(f"{target.name}.retired-{os.getpid()}")
        target.rename(retired)
        new.rename(target)
        shutil.rmtree(retired)
    else:
        new.rename(target)


def _write_split(
    examples: Iterator[Example], size: int, *, split: str, folder: pathlib.Path, captions: list[str]
) -> tuple[Shard, ...]:
    examples = iter(progress(examples, total=size, description=split, unit="images"))
    count = max(1, -(-size // RECORDS_PER_SHARD))
    shards = []
    for number in range(count):
        path = folder / f"{split}-{number:05d}-of-{count:05d}.tfrecord"
        records = (number + 1) * size // count - number * size // count
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(records):
                example = next(examples)
                captions += example.captions
                writer.write(_serialize(example))
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        shards.append(Shard(path.name, records, len(content), digest))
    next(examples, None)  # Lets the progress bar close.
    return tuple(shards)


def _serialize(example: Example) -> bytes:
    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    features = {
        "image": of_bytes(encode_png(example.image)),
        "captions": of_bytes(*(caption.encode() for caption in example.captions)),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[example.label])),
        "key": of_bytes(example.key.encode()),
    }
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


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
