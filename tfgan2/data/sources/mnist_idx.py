"""MNIST's four IDX files, and data sets in the same format."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgan2.data.formats import idx
from tfgan2.data.images import fit_grey
from tfgan2.data.sources import Collection, Item, SourceOptions, digits
from tfgan2.data.sources.captions import CaptionError, clean, read_whole
from tfgan2.program import UsageError

FILES = {"train": "train", "test": "t10k"}
LICENCE = (
    "as the files' publisher states: MNIST by LeCun, Cortes and Burges, CC BY-SA 3.0; "
    "Fashion-MNIST by Zalando Research, MIT"
)
# Fashion-MNIST is recognized by its first labels; its file names are those of MNIST.
CLOTHES_FIRST_LABELS = (9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9)
CLOTHES = (
    "t-shirt",
    "pair of trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
CAPTIONS = (
    "{name}",
    "{article} {name}",
    "a photo of {article} {name}",
    "a grey picture of {article} {name}",
    "{article} {name} on black",
)


def read(options: SourceOptions) -> Collection:
    """Reads train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, and the two files of t10k.

    Args:
      options: `input_dir` holds the files, gzipped or not; `class_names` names the labels; None:
        Fashion-MNIST's names if the labels are Fashion-MNIST's, else the names of digits.

    Returns:
      One channel: 28 px unchanged, 32 px padded, other sizes resized.

    Raises:
      UsageError: a file is missing or not valid, or there are too few names.
    """
    arrays = {split: _load(options.folder, prefix) for split, prefix in FILES.items()}
    captions, names = _wording(options, arrays["train"][1])
    highest = max(int(labels.max(initial=0)) for _, labels in arrays.values())
    if highest >= len(names):
        raise UsageError("--class_names", f"must name the labels 0..{highest}", len(names))

    return Collection(
        splits={
            split: _Items(FILES[split], *arrays[split], captions=captions, size=options.image_size)
            for split in FILES
        },
        label_names=names,
        licence=LICENCE,
        channels=1,
        notes=(f"the labels are taken for: {', '.join(names)}",),
    )


@dataclasses.dataclass(frozen=True)
class _Items(Sequence[Item]):
    """Items of a split, which are made when they are read.

    Attributes:
      prefix: beginning of the keys.
      images: uint8 [N, S, S].
      labels: label of each image.
      captions: captions of each label.
      size: side of the drawn images in pixels.
    """

    prefix: str
    images: np.ndarray
    labels: np.ndarray
    captions: Sequence[tuple[str, ...]]
    size: int

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        label = int(self.labels[row])
        return Item(
            key=f"{self.prefix}:{row}",
            draw=functools.partial(fit_grey, self.images[row][..., np.newaxis], size=self.size),
            captions=self.captions[label],
            label=label,
        )


def _load(folder: pathlib.Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images_file = _find(folder, f"{prefix}-images-idx3-ubyte")
    labels_file = _find(folder, f"{prefix}-labels-idx1-ubyte")
    images = idx.read(images_file, dimensions=3)
    labels = idx.read(labels_file, dimensions=1)
    if len(images) != len(labels):
        rule = f"must have a label for each of the {len(images)} images of {images_file.name}"
        raise UsageError(str(labels_file), rule, len(labels))
    if images.shape[1] != images.shape[2] or not images.shape[1]:
        raise UsageError(str(images_file), "must hold square images", images.shape[1:])
    return images, labels


def _find(folder: pathlib.Path, name: str) -> pathlib.Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise UsageError("--input_dir", f"must hold {name}.gz", folder)


def _wording(
    options: SourceOptions, labels: np.ndarray
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Returns the captions of every label, and the label names."""
    if options.class_names is not None:
        path = pathlib.Path(options.class_names)
        if not path.is_file():
            raise UsageError("--class_names", "must be a file with a name a line", path)
        try:
            names = tuple(map(clean, read_whole(path, options.encoding)))
        except CaptionError as fault:
            raise UsageError(str(path), "must hold a name a line", fault) from fault
    elif tuple(labels[: len(CLOTHES_FIRST_LABELS)]) == CLOTHES_FIRST_LABELS:
        names = CLOTHES
    else:
        return [digits.captions(digit) for digit in range(10)], digits.NAMES
    return [_captions(name) for name in names], names


def _captions(name: str) -> tuple[str, ...]:
    article = "an" if name[0].lower() in "aeiou" else "a"
    return tuple(form.format(name=name, article=article) for form in CAPTIONS)
