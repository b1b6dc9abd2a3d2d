"""Divides the records of all blocks into shards, and writes each shard from its blocks."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable

import tensorflow as tf

from tfgan2.data import records
from tfgan2.data.blocks import Block, BlockFolder, complete, read_json, write_json


@dataclasses.dataclass(frozen=True)
class Piece:
    """Consecutive records of a block: bytes `begin` to `end` of the block's TFRecords."""

    block: int
    begin: int
    end: int


@dataclasses.dataclass
class ShardPlan:
    """The content of a shard.

    Attributes:
      split: name of the split.
      number: number of the shard in its split.
      pieces: its records, in order.
      records: number of its records.
    """

    split: str
    number: int
    pieces: list[Piece] = dataclasses.field(default_factory=list)
    records: int = 0


class ShardPlanner:
    """Divides a split into shards of bounded size."""

    def __init__(self, split: str) -> None:
        """Starts a split."""
        self.plans: list[ShardPlan] = []
        self._split, self._bytes = split, 0

    def add(self, block: Block) -> None:
        """Adds the records of the next block to the current shard and to new ones."""
        begin = end = 0
        for size in block.sizes[self._split]:
            if not self.plans or self._bytes + size > records.MAX_SHARD_BYTES:
                self._add_piece(block.number, begin, end)
                self.plans.append(ShardPlan(self._split, len(self.plans)))
                begin, self._bytes = end, 0
            framed = records.HEADER_BYTES + size + records.FOOTER_BYTES
            end, self._bytes = end + framed, self._bytes + framed
            self.plans[-1].records += 1
        self._add_piece(block.number, begin, end)

    def _add_piece(self, block: int, begin: int, end: int) -> None:
        if end > begin:
            self.plans[-1].pieces.append(Piece(block, begin, end))


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """Writes one shard, and a JSON file with its description.

    Attributes:
      blocks: folder of the blocks.
      folder: folder of the shard.
      plan: content of the shard.
      count: number of shards of its split.
    """

    blocks: BlockFolder
    folder: str
    plan: ShardPlan
    count: int

    def __call__(self) -> None:
        """Writes the shard."""
        digest, size = hashlib.sha256(), 0
        path = os.path.join(self.folder, self._name)
        with complete(path) as partial, tf.io.gfile.GFile(partial, "wb") as shard:
            for piece in self.plan.pieces:
                source = self.blocks.path(piece.block, f"{self.plan.split}.tfrecord")
                with tf.io.gfile.GFile(source, "rb") as file:
                    file.seek(piece.begin)
                    for at in range(piece.begin, piece.end, records.COPY_BYTES):
                        content = file.read(min(records.COPY_BYTES, piece.end - at))
                        shard.write(content)
                        digest.update(content)
                        size += len(content)
        described = records.Shard(self._name, self.plan.records, size, digest.hexdigest())
        write_json(self._description, dataclasses.asdict(described))

    def result(self) -> records.Shard:
        """Reads the description of the shard, after it is written."""
        return records.Shard(**read_json(self._description))

    @property
    def _name(self) -> str:
        return f"{self.plan.split}-{self.plan.number:05d}-of-{self.count:05d}.tfrecord"

    @property
    def _description(self) -> str:
        return os.path.join(self.blocks.folder, f"{self._name}.json")


def tasks(planners: Iterable[ShardPlanner], *, blocks: BlockFolder, folder: str) -> list[ShardTask]:
    """The tasks that write all planned shards.

    Args:
      planners: one per split, after all blocks are added.
      blocks: folder of the blocks.
      folder: folder of the shards.
    """
    return [
        ShardTask(blocks, folder, plan, len(planner.plans))
        for planner in planners
        for plan in planner.plans
    ]
