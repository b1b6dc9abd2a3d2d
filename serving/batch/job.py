"""The definition of a job: all inputs that determine its outputs, and its blocks and shards."""

import dataclasses
import json
from typing import Any

PICTURES_PER_SHARD = 1000


@dataclasses.dataclass(frozen=True)
class JobOptions:
    """The user's options that determine the outputs.

    Attributes:
      seed: seed of the whole job, int64.
      truncation: truncation of the latents, above 0 and at most 1; 0 is the model's default.
      images_per_caption: pictures of each caption.
      format: `png`: one file per picture; `tfrecord`: one file per shard.
      batch_size: rows of a block.
      shards: number of shards, at most one per block; None: one per 1,000 pictures.
    """

    seed: int = 0
    truncation: float = 0.0
    images_per_caption: int = 1
    format: str = "png"
    batch_size: int = 64
    shards: int | None = None


@dataclasses.dataclass(frozen=True)
class CaptionsDigest:
    """The captions of a job.

    Attributes:
      count: number of captions; 1 for an unconditional model, whose pictures are all copies.
      sha256: checksum of all entries in order, unreadable ones included; None without captions.
    """

    count: int
    sha256: str | None


@dataclasses.dataclass(frozen=True)
class OutputShard:
    """A part of the outputs: blocks `begin` to `end` - 1, finished or made again as a whole."""

    number: int
    begin: int
    end: int


@dataclasses.dataclass(frozen=True)
class Job:
    """All inputs that determine the outputs.

    Attributes:
      model: identity of the model: a checksum of its files, or its name on a server with a
        checksum of one picture.
      captions: number and checksum of the captions.
      options: the user's options.
    """

    model: str
    captions: CaptionsDigest
    options: JobOptions

    @property
    def has_captions(self) -> bool:
        """Whether the model draws captions; else it is unconditional."""
        return self.captions.sha256 is not None

    @property
    def rows(self) -> int:
        """The number of requested pictures."""
        return self.captions.count * self.options.images_per_caption

    @property
    def blocks(self) -> int:
        """The number of blocks; the last block may have fewer rows."""
        return -(-self.rows // self.options.batch_size)

    def block_rows(self, block: int) -> range:
        """The numbers of the rows of a block."""
        begin = block * self.options.batch_size
        return range(begin, min(begin + self.options.batch_size, self.rows))

    @property
    def shard_count(self) -> int:
        """The number of shards."""
        return min(self.options.shards or -(-self.rows // PICTURES_PER_SHARD), self.blocks)

    def shard(self, number: int) -> OutputShard:
        """The shard with this number; shards have whole blocks, and differ by at most one block."""
        begin, end = (edge * self.blocks // self.shard_count for edge in (number, number + 1))
        return OutputShard(number, begin, end)

    def shard_rows(self, shard: OutputShard) -> int:
        """The number of rows of a shard."""
        begin = shard.begin * self.options.batch_size
        return min(shard.end * self.options.batch_size, self.rows) - begin

    def as_json(self) -> bytes:
        """The content of job.json."""
        return (json.dumps(dataclasses.asdict(self), indent=2) + "\n").encode()

    def differences(self, content: bytes) -> list[str]:
        """Compares with the content of a job.json; returns `model`, `captions` or option names.

        Returns `job.json` if the content cannot be read.
        """
        try:
            other: dict[str, Any] = json.loads(content)
            mine = json.loads(self.as_json())
            options = mine["options"]
            return [name for name in ("model", "captions") if other[name] != mine[name]] + [
                name for name in options if other["options"].get(name) != options[name]
            ]
        except (ValueError, TypeError, KeyError, AttributeError):
            return ["job.json"]
