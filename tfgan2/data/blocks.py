"""Blocks: the converted parts of a source, as files in the folder of an unfinished data set.

A block has its records as TFRecords, one file per split, the digests of its pixels and captions,
and a JSON file with counts. Each file gets its name when it is complete; the JSON file is the last
one. A part that is converted twice, after a worker was lost, writes the same files again.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.data.conversion import Converted, Outcome
from tfgan2.data.sources import Reject

SPLITS = ("train", "test")
DIGEST_BYTES = 32

CountWords = Callable[[list[str]], Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Block:
    """Counts of a block.

    Attributes:
      number: number of the block; the order of the blocks is the order of the data set.
      sizes: bytes of each record by split, without TFRecord's framing.
      captions: number of captions by split.
      words: count of each word in the train captions.
      test_captions: captions of the test split.
      rejects: rejected items.
    """

    number: int
    sizes: Mapping[str, list[int]]
    captions: Mapping[str, int]
    words: Mapping[str, int]
    test_captions: tuple[str, ...]
    rejects: tuple[Reject, ...]


@dataclasses.dataclass(frozen=True)
class BlockFolder:
    """The folder of blocks; all processes of a job can access it.

    Attributes:
      folder: path of the folder, on any file system of TensorFlow.
    """

    folder: str

    def write(self, number: int, outcomes: Iterable[Outcome], *, count_words: CountWords) -> None:
        """Writes a block.

        Args:
          number: number of the block.
          outcomes: results of its part, in order; only one image at a time is in memory.
          count_words: maps captions to the count of each word.
        """
        sizes: dict[str, list[int]] = {split: [] for split in SPLITS}
        texts: dict[str, list[str]] = {split: [] for split in SPLITS}
        pixels: dict[str, list[bytes]] = {split: [] for split in SPLITS}
        rejects = []
        with contextlib.ExitStack() as stack:
            writers: dict[str, tf.io.TFRecordWriter] = {}
            for outcome in outcomes:
                if isinstance(outcome, Reject):
                    rejects.append(outcome)
                    continue
                split = outcome.split
                if split not in writers:
                    path = stack.enter_context(complete(self.path(number, f"{split}.tfrecord")))
                    writers[split] = stack.enter_context(tf.io.TFRecordWriter(path))
                serialized = serialize(outcome)
                writers[split].write(serialized)
                sizes[split].append(len(serialized))
                texts[split] += outcome.captions
                pixels[split].append(outcome.digest)
        for split in SPLITS:
            if pixels[split]:
                digests = (hashlib.sha256(text.encode()).digest() for text in texts[split])
                write_file(self.path(number, f"{split}.images"), b"".join(pixels[split]))
                write_file(self.path(number, f"{split}.captions"), b"".join(digests))
        block = Block(
            number=number,
            sizes=sizes,
            captions={split: len(texts[split]) for split in SPLITS},
            words=dict(count_words(texts["train"])) if texts["train"] else {},
            test_captions=tuple(texts["test"]),
            rejects=tuple(rejects),
        )
        write_json(self.path(number, "json"), dataclasses.asdict(block))

    def read(self, number: int) -> Block:
        """Reads the counts of a block."""
        fields = read_json(self.path(number, "json"))
        return Block(
            number=fields["number"],
            sizes=fields["sizes"],
            captions=fields["captions"],
            words=fields["words"],
            test_captions=tuple(fields["test_captions"]),
            rejects=tuple(Reject(**reject) for reject in fields["rejects"]),
        )

    def digests(self, number: int, split: str, kind: str) -> np.ndarray:
        """Reads the digests of a block's images or captions.

        Args:
          number: number of the block.
          split: `train` or `test`.
          kind: `images` or `captions`.

        Returns:
          Bytes of SHA-256 digests, uint8 [N, 32].
        """
        path = self.path(number, f"{split}.{kind}")
        if not tf.io.gfile.exists(path):
            return np.zeros([0, DIGEST_BYTES], np.uint8)
        with tf.io.gfile.GFile(path, "rb") as file:
            return np.frombuffer(file.read(), np.uint8).reshape(-1, DIGEST_BYTES)

    def path(self, number: int, kind: str) -> str:
        """The path of a file of a block."""
        return os.path.join(self.folder, f"{number:08d}.{kind}")


def serialize(record: Converted) -> bytes:
    """The bytes of a record's `tf.train.Example`."""

    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    features = {
        "image": of_bytes(record.image),
        "captions": of_bytes(*(caption.encode() for caption in record.captions)),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[record.label])),
        "key": of_bytes(record.key.encode()),
    }
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


@contextlib.contextmanager
def complete(path: str) -> Iterator[str]:
    """Yields a temporary path, and gives the file its name at the end."""
    partial = f"{path}.{uuid.uuid4().hex}.unfinished"
    yield partial
    tf.io.gfile.rename(partial, path, overwrite=True)


def write_file(path: str, content: bytes) -> None:
    """Writes a file on any file system of TensorFlow, completely or not at all."""
    with complete(path) as partial, tf.io.gfile.GFile(partial, "wb") as file:
        file.write(content)


def write_json(path: str, fields: Any) -> None:
    """Writes a JSON file, completely or not at all."""
    write_file(path, json.dumps(fields, ensure_ascii=False).encode("utf-8"))


def read_json(path: str) -> Any:
    """Reads a JSON file."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return json.loads(file.read())
