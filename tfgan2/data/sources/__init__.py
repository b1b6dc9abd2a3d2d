"""One file for each layout that users have on disk; each reads it into a `Collection`."""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfgan2.data.images import DEFAULT_BACKGROUND, DEFAULT_MAX_PIXELS, Framing
from tfgan2.program import UsageError

DEFAULT_TEST_FRACTION = 0.1


@dataclasses.dataclass(frozen=True)
class Item:
    """One captioned image.

    Attributes:
      key: names the image within its source.
      draw: gives the image as uint8 [size, size, C], or raises `images.UnreadableError`; it runs in
        another process.
      captions: at least one.
      label: class number, or -1 where the source has no classes.
    """

    key: str
    draw: Callable[[], np.ndarray]
    captions: tuple[str, ...]
    label: int = -1


@dataclasses.dataclass(frozen=True)
class Reject:
    """Something that is not taken into the data set.

    Attributes:
      key: names it within its source.
      reason: what is wrong with it.
    """

    key: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Collection:
    """All that a source holds, split and in the order in which it is to be written.

    Attributes:
      splits: items by split, `train` and `test`.
      label_names: a name for every class number.
      licence: the notice under which the source may be used.
      channels: 1 (grey) or 3 (RGB).
      rejects: what has been found unusable so far; reading the images may find more.
      notes: what the user should know of how the source was read.
    """

    splits: Mapping[str, Sequence[Item]]
    label_names: tuple[str, ...]
    licence: str
    channels: int
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What a user may ask of a source; None leaves it to the source.

    Attributes:
      image_size: side of the squares in pixels.
      input_dir: where its files are; None where a package brings them.
      test_fraction: share of test images, where a source has no published split.
      resize: how other shapes become squares: `pad`, `crop` or `stretch`.
      background: RGB in 0..255, behind padding and transparency.
      max_pixels: images with more are rejected.
      held_out: a file of captions whose images go to the test split.
      class_names: a file with a name a line, for label 0, 1, ...
    """

    image_size: int
    input_dir: str | None = None
    test_fraction: float = DEFAULT_TEST_FRACTION
    resize: str | None = None
    background: tuple[int, int, int] = DEFAULT_BACKGROUND
    max_pixels: int = DEFAULT_MAX_PIXELS
    held_out: str | None = None
    class_names: str | None = None

    @property
    def folder(self) -> pathlib.Path:
        """The input directory of a source that has no other.

        Raises:
          UsageError: it is not given, or is no directory.
        """
        if self.input_dir is None:
            raise UsageError("--input_dir", "must be given for this source", "nothing")
        folder = pathlib.Path(self.input_dir)
        if not folder.is_dir():
            raise UsageError("--input_dir", "must be a directory", self.input_dir)
        return folder

    def framing(self, *, resize: str) -> Framing:
        """How images become squares, for a source that resizes in that way unless told."""
        return Framing(
            size=self.image_size,
            resize=self.resize or resize,
            background=self.background,
            max_pixels=self.max_pixels,
        )


@dataclasses.dataclass(frozen=True)
class Source:
    """A layout: where its reader is, and what of `SourceOptions` it takes.

    Attributes:
      reader: `module:function`, from `SourceOptions` to `Collection`.
      image_size: side of the squares in pixels, unless told.
      options: names of the options that it takes, `image_size` and `input_dir` aside.
    """

    reader: str
    image_size: int
    options: frozenset[str]


_IMAGE_FILES = frozenset({"resize", "background", "max_pixels"})
# 76/64 of 256 px: what is left to crop at random.
_PHOTOGRAPH_SIZE_PX = 304

SOURCES = {
    "digits": Source("tfgan2.data.sources.digits:read", 32, frozenset({"test_fraction"})),
    "mnist_idx": Source("tfgan2.data.sources.mnist_idx:read", 32, frozenset({"class_names"})),
    "emoji": Source(
        "tfgan2.data.sources.emoji:read",
        64,
        frozenset({"test_fraction", "background", "held_out"}),
    ),
    "folder": Source(
        "tfgan2.data.sources.folder:read", 64, frozenset({"test_fraction"}) | _IMAGE_FILES
    ),
    "oxford_flowers": Source(
        "tfgan2.data.sources.oxford_flowers:read", _PHOTOGRAPH_SIZE_PX, _IMAGE_FILES
    ),
    "cub_birds": Source("tfgan2.data.sources.cub_birds:read", _PHOTOGRAPH_SIZE_PX, _IMAGE_FILES),
    "coco": Source("tfgan2.data.sources.coco:read", _PHOTOGRAPH_SIZE_PX, _IMAGE_FILES),
}


def read(name: str, options: SourceOptions) -> Collection:
    """Reads the source of that name.

    Raises:
      UsageError: the source's files are missing or not what they must be.
    """
    module, function = SOURCES[name].reader.split(":")
    return getattr(importlib.import_module(module), function)(options)
