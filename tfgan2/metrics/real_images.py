"""Real images to compare generated images with, and their distinct captions."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np


class RealImages(Protocol):
    """N images with captions and labels."""

    @property
    def captions(self) -> Sequence[tuple[str, ...]]:
        """Captions of each image: N tuples."""

    @property
    def label(self) -> np.ndarray:
        """Labels int64 [N]; -1: no label."""

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields the images, uint8 [<= size, S, S, C], in their order."""


@dataclasses.dataclass(frozen=True)
class Captions:
    """Distinct captions of some images.

    Attributes:
      texts: C strings.
      first: int64 [N], index of each image's first caption.
      image: int64 [C], index of the first image with this caption.
      label: int64 [C], label of this image.
      group: int64 [C], captions of the same label, or of the same image without labels.
    """

    texts: list[str]
    first: np.ndarray
    image: np.ndarray
    label: np.ndarray
    group: np.ndarray


def distinct_captions(captions: Sequence[Sequence[str]], labels: np.ndarray) -> Captions:
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


def captions_are_shared(real: RealImages) -> bool:
    """Whether two images have the same first caption.

    If so, `diversity` is relative to the variance of real images of one caption; else, to the
    variance of all real images.
    """
    first = [texts[0] for texts in real.captions]
    return len(set(first)) < len(first)
