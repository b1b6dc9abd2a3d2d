"""Writes a data set of synthetic images, discs on shaded grounds, with captions."""

import functools
import os

import numpy as np

from tfgan2.data import preparing
from tfgan2.data.sources import Collection, Item
from tfgan2.text.tokenizers import count_words

COLOURS = {
    "red": (210, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 70, 200),
    "yellow": (230, 210, 60),
    "violet": (140, 60, 180),
    "orange": (240, 140, 30),
    "white": (240, 240, 240),
    "black": (20, 20, 20),
    "brown": (120, 80, 40),
    "pink": (240, 150, 180),
}
CAPTIONS = (
    "a {disc} disc on a {ground} ground, picture {number}",
    "picture {number} shows a round {disc} thing in front of something {ground}",
    "the ground of picture {number} is {ground} and what lies on it is {disc}",
)
# Noise in grey levels: like photographs, noisy images need longer to decode than smooth ones.
NOISE = 12


def prepare(
    output_dir: str | os.PathLike, *, image_size: int, channels: int, train: int, test: int
) -> None:
    """Writes a synthetic data set in the format of tools.prepare.

    Args:
      output_dir: absent or empty folder.
      image_size: image side in pixels.
      channels: 1 or 3.
      train: number of images of the train split.
      test: number of images of the test split.
    """
    numbers = {"train": range(train), "test": range(train, train + test)}
    collection = Collection(
        splits={
            split: [_item(number, image_size, channels) for number in of_split]
            for split, of_split in numbers.items()
        },
        label_names=tuple(COLOURS),
        licence="made by tools.benchmark; free to use",
        channels=channels,
    )
    preparing.prepare(
        collection,
        source="tools.benchmark",
        image_size=image_size,
        output_dir=output_dir,
        count_words=count_words,
    )


def draw(number: int, *, image_size: int, channels: int) -> np.ndarray:
    """Draws an image: uint8 [S, S, C]."""
    generator = np.random.default_rng(number)
    disc, ground = _colours(number)
    down, right = np.mgrid[:image_size, :image_size] / image_size
    at, radius = generator.uniform(0.3, 0.7, 2), generator.uniform(0.15, 0.3)
    inside = (down - at[0]) ** 2 + (right - at[1]) ** 2 < radius**2
    shade = (0.6 + 0.4 * down)[..., np.newaxis]
    image = np.where(inside[..., np.newaxis], COLOURS[disc], shade * COLOURS[ground])
    image = image + generator.normal(0.0, NOISE, image.shape)
    if channels == 1:
        image = image.mean(axis=2, keepdims=True)
    return np.clip(image, 0, 255).astype(np.uint8)


def _item(number: int, image_size: int, channels: int) -> Item:
    disc, ground = _colours(number)
    return Item(
        key=f"drawn/{number:05d}",
        draw=functools.partial(draw, number, image_size=image_size, channels=channels),
        captions=tuple(it.format(disc=disc, ground=ground, number=number) for it in CAPTIONS),
        label=list(COLOURS).index(disc),
    )


def _colours(number: int) -> tuple[str, str]:
    """Returns the colours of the disc and of its ground."""
    names, steps = list(COLOURS), number // len(COLOURS) % (len(COLOURS) - 1)
    index = number % len(names)
    return names[index], names[(index + 1 + steps) % len(names)]
