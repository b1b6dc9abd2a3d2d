"""Real images to hold pictures against, and their distinct captions."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np


class RealImages(Protocol):
    """N images with captions and labels."""

    @property
    def captions(self) -> Sequence[tuple[str, ...]]:
        """N tuples."""

    @property
    def label(self) -> np.ndarray:
        """int64 [N], or -1."""

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """The images uint8 [<= size, S, S, C], in their order."""


@dataclasses.dataclass(frozen=True)
class Captions:
    """Distinct captions of some images.

    Attributes:
      texts: C strings.
      first: int64 [N], for every image the number of its first caption.
      image: int64 [C], the number of the first image that has it.
      label: int64 [C], of that image.
      group: int64 [C]: captions of one label, or of one image where there are no labels.
    """

    texts: list[str]
    first: np.ndarray
    image: np.ndarray
    label: np.ndarray
    group: np.ndarray


def numbered(captions: Sequence[Sequence[str]], labels: np.ndarray) -> Captions:
    """Numbers the distinct captions of images (N tuples) with labels int64 [N]."""
    numbers: dict[str, int] = {}
    images: list[int] = []
    for image, texts in enumerate(captions):
        for text in texts:
            if numbers.setdefault(text, len(images)) == len(images):
                images.append(image)
    label = labels[images]
    return Captions(
        texts=list(numbers),
        first=np.array([numbers[texts[0]] for texts in captions]),
        image=np.array(images),
        label=label,
        group=np.where(label >= 0, label, -1 - np.array(images)),
    )


def are_shared(real: RealImages) -> bool:
    """Whether two images have the same first caption: diversity is a share of the spread of such.

    Where none have, it is a share of the spread of all real images.
    """
    first = [texts[0] for texts in real.captions]
    return len(set(first)) < len(first)
