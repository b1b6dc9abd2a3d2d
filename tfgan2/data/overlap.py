"""Counts the images and captions of the test split that the train split has too, by digest."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from tfgan2.data.blocks import DIGEST_BYTES, BlockFolder, read_json, write_json

# Test digests that a task has in memory, about.
MAX_DIGESTS = 1_000_000
KINDS = ("images", "captions")


@dataclasses.dataclass(frozen=True)
class OverlapTask:
    """Counts the overlap among digests with some first bytes.

    Attributes:
      blocks: folder of the blocks.
      block_count: number of blocks.
      number: number of the task.
      count: number of tasks; each has an equal part of the range of digests.
    """

    blocks: BlockFolder
    block_count: int
    number: int
    count: int

    def __call__(self) -> None:
        """Counts, and writes the counts as a JSON file."""
        write_json(self._path, {kind: self._shared(kind) for kind in KINDS})

    def result(self) -> dict[str, int]:
        """Reads the number of test images, and of distinct test captions, of the train split."""
        return read_json(self._path)

    def _shared(self, kind: str) -> int:
        test = np.concatenate(
            [self._digests(number, "test", kind) for number in range(self.block_count)]
        )
        digests, counts = np.unique(test, return_counts=True)
        found = np.zeros(len(digests), bool)
        for number in range(self.block_count if len(digests) else 0):
            train = np.unique(self._digests(number, "train", kind))
            places = np.searchsorted(digests, train)
            inside = places < len(digests)
            places, train = places[inside], train[inside]
            found[places[digests[places] == train]] = True
        return int(counts[found].sum()) if kind == "images" else int(found.sum())

    def _digests(self, number: int, split: str, kind: str) -> np.ndarray:
        """Digests of a block in the range of the task, as strings that NumPy can sort."""
        digests = self.blocks.digests(number, split, kind)
        first = np.ascontiguousarray(digests[:, :4]).view(">u4")[:, 0].astype(np.uint64)
        chosen = digests[first * np.uint64(self.count) >> np.uint64(32) == self.number]
        return np.ascontiguousarray(chosen).view(f"S{DIGEST_BYTES}").reshape(-1)

    @property
    def _path(self) -> str:
        return os.path.join(self.blocks.folder, f"overlap-{self.number:05d}.json")


def tasks(blocks: BlockFolder, *, block_count: int, test_digests: int) -> Sequence[OverlapTask]:
    """The tasks that count the whole overlap.

    Args:
      blocks: folder of the blocks.
      block_count: number of blocks.
      test_digests: number of images or of captions of the test split, the larger one.
    """
    count = -(-test_digests // MAX_DIGESTS)
    return [OverlapTask(blocks, block_count, number, count) for number in range(count)]
