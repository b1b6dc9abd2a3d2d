"""Rows (one per picture), the blocks of rows that run together, and their results."""

import dataclasses
import hashlib

SEED_BITS = 31


@dataclasses.dataclass(frozen=True)
class Row:
    """A requested picture.

    Attributes:
      number: number of the caption over all files, from 0.
      copy: number of the picture of the caption, from 0.
      caption: bytes of the caption; None for an unconditional model, or if it is unreadable.
      seed: seed of the picture; caption and seed determine the picture; None with a `problem`.
      problem: reason why the row cannot be drawn; None if it can.
    """

    number: int
    copy: int
    caption: bytes | None
    seed: int | None
    problem: str | None = None

    @property
    def id(self) -> str:
        """The numbers of caption and copy; ids sort in the order of the rows."""
        return f"{self.number:09d}-{self.copy:06d}"


@dataclasses.dataclass(frozen=True)
class Block:
    """Rows that always run together, in every run of the job.

    Attributes:
      number: number of the block in the job.
      shard: number of the block's shard.
      rows: at most batch_size rows.
    """

    number: int
    shard: int
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class RowResult:
    """The result of a row.

    Attributes:
      png: bytes of the PNG file; None if the row failed.
      unknown_words: words of the caption that the model does not know; None without captions.
      text: the caption that a joint model wrote; None for other models.
      problem: reason of the failure; None if the row was drawn.
    """

    png: bytes | None = None
    unknown_words: int | None = None
    text: str | None = None
    problem: str | None = None


@dataclasses.dataclass(frozen=True)
class WrittenBlock:
    """The row counts of a written block.

    Attributes:
      shard: number of the block's shard.
      pictures: rows with a picture.
      failed: rows without a picture.
    """

    shard: int
    pictures: int
    failed: int


def seed_of(job_seed: int, caption: bytes, copy: int) -> int:
    """The seed of a row: the first 31 bits of a SHA-256.

    Args:
      job_seed: seed of the whole job, int64; hashed first, as 8 bytes big-endian.
      caption: bytes of the caption; hashed second, unchanged.
      copy: number of the copy, from 0; hashed last, as 8 bytes big-endian.

    Returns:
      An integer from 0 to 2^31 - 1.
    """
    hashed = hashlib.sha256(
        job_seed.to_bytes(8, "big", signed=True) + caption + copy.to_bytes(8, "big")
    )
    return int.from_bytes(hashed.digest()[:4], "big") >> (32 - SEED_BITS)
