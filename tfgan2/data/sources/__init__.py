"""One file for each layout that users have on disk; each reads it into a `Collection`."""

import dataclasses
import importlib
from collections.abc import Iterator, Mapping

import numpy as np

READERS = {
    "digits": "tfgan2.data.sources.digits:read",
}


@dataclasses.dataclass(frozen=True)
class Example:
    """One captioned image.

    Attributes:
      key: names the image within its source.
      image: uint8 [size, size, C].
      captions: at least one.
      label: class number, or -1 where the source has no classes.
    """

    key: str
    image: np.ndarray
    captions: tuple[str, ...]
    label: int = -1


@dataclasses.dataclass(frozen=True)
class Collection:
    """All that a source holds, split and in the order in which it is to be written.

    Attributes:
      splits: examples by split, `train` and `test`.
      sizes: how many examples each split holds.
      label_names: a name for every class number.
      licence: the notice under which the source may be used.
      channels: 1 (grey) or 3 (RGB).
    """

    splits: Mapping[str, Iterator[Example]]
    sizes: Mapping[str, int]
    label_names: tuple[str, ...]
    licence: str
    channels: int


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What a user may ask of a source.

    Attributes:
      input_dir: where its files are; None where a package brings them.
      image_size: side of the squares in pixels.
      test_fraction: share of test examples, where a source has no published split.
    """

    input_dir: str | None
    image_size: int
    test_fraction: float


def read(name: str, options: SourceOptions) -> Collection:
    """Reads the source of that name.

    Raises:
      UsageError: the source's files are missing or not what they must be.
    """
    module, function = READERS[name].split(":")
    return getattr(importlib.import_module(module), function)(options)
