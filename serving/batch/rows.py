"""What is drawn: rows, which are copies of captions, and the blocks that they are cut into."""

import dataclasses
import hashlib

SEED_BITS = 31


@dataclasses.dataclass(frozen=True)
class Row:
    """A picture that is wanted.

    Attributes:
      number: of the caption in all files, from 0.
      copy: which picture of the caption, from 0.
      caption: its bytes; None for a model that draws without captions, and where `problem` is.
      seed: the picture is a function of it and the caption; None where there is no caption.
      problem: why it cannot be drawn; None if it can.
    """

    number: int
    copy: int
    caption: bytes | None
    seed: int | None
    problem: str | None = None

    @property
    def id(self) -> str:
        """The number of the caption and of the copy; sorts as rows do."""
        return f"{self.number:09d}-{self.copy:06d}"


@dataclasses.dataclass(frozen=True)
class Block:
    """Rows that are drawn at the same time, whatever else happens.

    Attributes:
      number: of the block in the job.
      shard: that it belongs to.
      rows: at most as many as the batch size.
    """

    number: int
    shard: int
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What came of a row.

    Attributes:
      png: bytes of the PNG file; None where it failed.
      unknown_words: how many words of the caption the model does not know; None without captions.
      text: what a joint model wrote to it; None of others.
      problem: why it failed.
    """

    png: bytes | None = None
    unknown_words: int | None = None
    text: str | None = None
    problem: str | None = None


@dataclasses.dataclass(frozen=True)
class DrawnBlock:
    """A block, and a drawing of each of its rows."""

    block: Block
    drawings: tuple[Drawing, ...]


@dataclasses.dataclass(frozen=True)
class WrittenBlock:
    """A block that was written.

    Attributes:
      shard: that it belongs to.
      pictures: how many rows have one.
      failed: how many have none.
    """

    shard: int
    pictures: int
    failed: int


def seed_of(job_seed: int, caption: bytes, copy: int) -> int:
    """The seed of a row: the first 31 bits of a SHA-256.

    Args:
      job_seed: of the whole job, int64; its 8 bytes, big-endian, come first.
      caption: its bytes, as they are, come next.
      copy: from 0; its 8 bytes, big-endian, come last.

    Returns:
      From 0 to 2^31 - 1.
    """
    hashed = hashlib.sha256(
        job_seed.to_bytes(8, "big", signed=True) + caption + copy.to_bytes(8, "big")
    )
    return int.from_bytes(hashed.digest()[:4], "big") >> (32 - SEED_BITS)
