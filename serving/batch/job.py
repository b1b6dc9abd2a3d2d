"""What a job is: all that its outputs are a function of, and how its rows are cut."""

import dataclasses
import json
from typing import Any

PICTURES_PER_SHARD = 1000


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user chooses of the outputs.

    Attributes:
      seed: of the whole job.
      truncation: of the latents, above 0 and at most 1; 0 is the model's.
      images_per_caption: copies of each caption.
      format: `png`: a file for each picture; `tfrecord`: a file for each shard.
      batch_size: rows of a block.
      shards: how many, at most one for each block; None: one for every 1,000 pictures.
    """

    seed: int = 0
    truncation: float = 0.0
    images_per_caption: int = 1
    format: str = "png"
    batch_size: int = 64
    shards: int | None = None


@dataclasses.dataclass(frozen=True)
class Captions:
    """The captions of a job.

    Attributes:
      count: how many; 1 for a model that draws without them, of which all pictures are copies.
      sha256: of all of them, in order, and of what cannot be read; None without captions.
    """

    count: int
    sha256: str | None


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of the outputs, finished or made again as a whole: blocks `begin` to `end` - 1."""

    number: int
    begin: int
    end: int


@dataclasses.dataclass(frozen=True)
class Job:
    """All that the outputs are a function of.

    Attributes:
      model: tells one model from another: a checksum of its files, or of what it draws.
      captions: what is drawn.
      options: how.
    """

    model: str
    captions: Captions
    options: Options

    @property
    def rows(self) -> int:
        """Pictures that are wanted."""
        return self.captions.count * self.options.images_per_caption

    @property
    def blocks(self) -> int:
        """How many blocks the rows are cut into; the last may have fewer of them."""
        return -(-self.rows // self.options.batch_size)

    def block_rows(self, block: int) -> range:
        """The numbers of the rows of a block."""
        begin = block * self.options.batch_size
        return range(begin, min(begin + self.options.batch_size, self.rows))

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return min(self.options.shards or -(-self.rows // PICTURES_PER_SHARD), self.blocks)

    def shard(self, number: int) -> Shard:
        """A shard of whole blocks; they are as even as can be."""
        begin, end = (edge * self.blocks // self.shard_count for edge in (number, number + 1))
        return Shard(number, begin, end)

    def shard_rows(self, shard: Shard) -> int:
        """How many rows a shard has."""
        begin = shard.begin * self.options.batch_size
        return min(shard.end * self.options.batch_size, self.rows) - begin

    def as_json(self) -> bytes:
        """The content of job.json."""
        return (json.dumps(dataclasses.asdict(self), indent=2) + "\n").encode()

    def differences(self, content: bytes) -> list[str]:
        """What is another in the job of a job.json: `model`, `captions` or names of options."""
        try:
            other: dict[str, Any] = json.loads(content)
            mine = json.loads(self.as_json())
            options = mine["options"]
            return [name for name in ("model", "captions") if other[name] != mine[name]] + [
                name for name in options if other["options"].get(name) != options[name]
            ]
        except (ValueError, TypeError, KeyError, AttributeError):
            return ["job.json"]
