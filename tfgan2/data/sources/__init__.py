"""Readers of users' files, one file per layout; each returns a `Collection`."""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tfgan2.data.images import DEFAULT_BACKGROUND, DEFAULT_MAX_PIXELS, Framing
from tfgan2.program import UsageError

DEFAULT_TEST_FRACTION = 0.1


@dataclasses.dataclass(frozen=True)
class Item:
    """One captioned image.

    Attributes:
      key: name of the image within its source.
      draw: returns the image as uint8 [size, size, C], or raises `images.UnreadableError`; runs in
        another process.
      captions: at least one caption.
      label: class number, or -1 if the source has no classes.
    """

    key: str
    draw: Callable[[], np.ndarray]
    captions: tuple[str, ...]
    label: int = -1


@dataclasses.dataclass(frozen=True)
class Reject:
    """An item that is left out of the data set.

    Attributes:
      key: name of the item within its source.
      reason: reason for the rejection.
    """

    key: str
    reason: str


# An item with its split, or an entry of the source that gives no item.
Entry: TypeAlias = tuple[str, Item] | Reject
# Reads a part of a source; runs in another process.
Part: TypeAlias = Callable[[], Iterator[Entry]]


@dataclasses.dataclass(frozen=True)
class Collection:
    """Content of a source by split, in the order in which it is written.

    Attributes:
      splits: items by split, `train` and `test`; written before the parts.
      licence: licence notice of the source.
      label_names: names of the classes, in order.
      channels: 1 (grey) or 3 (RGB).
      rejects: unusable items found so far; reading the images may find more.
      notes: lines of text about how the source was read.
      files: class of every file of the input folder by key (see `file_counts`); empty for a source
        that is no folder of a user's files.
      parts: the rest of a source that is too large for a list of its items; workers read the parts.
    """

    splits: Mapping[str, Sequence[Item]]
    licence: str
    label_names: tuple[str, ...] = ()
    channels: int = 3
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    parts: Sequence[Part] = ()


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """Options of a source; None: the default of the source.

    Attributes:
      image_size: side of the square images in pixels.
      input_dir: folder of the files; None: an installed package has them.
      test_fraction: fraction of test images, for a source without a published split.
      resize: method to make images square: `pad`, `crop` or `stretch`.
      background: RGB in 0..255, for padding and transparency.
      max_pixels: images with more pixels are rejected.
      held_out: file of captions, one per line; their images go to the test split.
      class_names: file of names, one per line, for the labels 0, 1, ...
      captions: `all` captions of an image, or the `first` one.
      caption_from: `filename` or `folder`: the caption is the name of the image or of its folder.
      captions_file: table of captions, which may lie outside of `input_dir`.
      image_column: column of tables with the names of the images.
      caption_column: column of tables with the captions.
      encoding: encoding of all text without a byte order mark; None: UTF-8.
    """

    image_size: int
    input_dir: str | None = None
    test_fraction: float = DEFAULT_TEST_FRACTION
    resize: str | None = None
    background: tuple[int, int, int] = DEFAULT_BACKGROUND
    max_pixels: int = DEFAULT_MAX_PIXELS
    held_out: str | None = None
    class_names: str | None = None
    captions: str = "all"
    caption_from: str | None = None
    captions_file: str | None = None
    image_column: str | None = None
    caption_column: str | None = None
    encoding: str | None = None

    @property
    def folder(self) -> pathlib.Path:
        """Input directory, for a source that needs one.

        Raises:
          UsageError: it is not given, or is not a directory.
        """
        if self.input_dir is None:
            raise UsageError("--input_dir", "must be given for this source", "nothing")
        folder = pathlib.Path(self.input_dir)
        if not folder.is_dir():
            raise UsageError("--input_dir", "must be a directory", self.input_dir)
        return folder

    def framing(self, *, resize: str) -> Framing:
        """Returns the options that make images square, with the source's default for `resize`."""
        return Framing(
            size=self.image_size,
            resize=self.resize or resize,
            background=self.background,
            max_pixels=self.max_pixels,
        )


@dataclasses.dataclass(frozen=True)
class Source:
    """A layout; the file with its name has `read`, which maps `SourceOptions` to a `Collection`.

    Attributes:
      image_size: default side of the square images, in pixels.
      options: names of the options of this source, besides `image_size` and `input_dir`.
    """

    image_size: int
    options: frozenset[str]


CAPTIONS = ("all", "first")
CAPTION_FROM = ("filename", "folder")
_IMAGE_FILES = frozenset({"resize", "background", "max_pixels", "encoding"})
# 76/64 of 256 px, which leaves a margin for random crops.
_PHOTOGRAPH_SIZE_PX = 304

SOURCES = {
    "digits": Source(32, frozenset({"test_fraction"})),
    "mnist_idx": Source(32, frozenset({"class_names", "encoding"})),
    "emoji": Source(64, frozenset({"test_fraction", "background", "held_out", "encoding"})),
    "folder": Source(
        64,
        _IMAGE_FILES
        | {"test_fraction", "captions", "caption_from", "captions_file"}
        | {"image_column", "caption_column"},
    ),
    "webdataset": Source(64, _IMAGE_FILES | {"test_fraction", "captions", "caption_column"}),
    "oxford_flowers": Source(_PHOTOGRAPH_SIZE_PX, _IMAGE_FILES),
    "cub_birds": Source(_PHOTOGRAPH_SIZE_PX, _IMAGE_FILES),
    "coco": Source(_PHOTOGRAPH_SIZE_PX, _IMAGE_FILES),
}


def read(name: str, options: SourceOptions) -> Collection:
    """Reads a source by name.

    Raises:
      UsageError: files of the source are missing or not valid.
    """
    return importlib.import_module(f"tfgan2.data.sources.{name}").read(options)


def listed(collection: Collection) -> Collection:
    """Reads the parts of a collection, and returns it with all items in its splits."""
    items = {split: [*collection.splits.get(split, ())] for split in ("train", "test")}
    rejects = [*collection.rejects]
    for part in collection.parts:
        for entry in part():
            if isinstance(entry, Reject):
                rejects.append(entry)
            else:
                items[entry[0]].append(entry[1])
    return dataclasses.replace(collection, splits=items, rejects=tuple(rejects), parts=())
