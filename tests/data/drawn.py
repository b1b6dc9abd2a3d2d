"""Items for tests of prepare; worker processes load this file, which needs no TensorFlow."""

import functools

import numpy as np

from tfgan2.data.images import UnreadableError
from tfgan2.data.sources import Item


def draw(number: int) -> np.ndarray:
    """An image of 8x8 px noise; fails for every number that ends in 7."""
    if number % 10 == 7:
        raise UnreadableError("image is broken")
    return np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)


def item(number: int) -> Item:
    return Item(f"{number}.png", functools.partial(draw, number), (f"number {number}",), number)


def draw_colour(number: int) -> np.ndarray:
    """A red or blue image of 32x32 px with noise, alternating by number."""
    image = np.random.default_rng(number).integers(0, 60, (32, 32, 3), np.uint8)
    image[:, :, 2 * (number % 2)] += 190
    return image


def coloured(number: int) -> Item:
    colour = ("red", "blue")[number % 2]
    draw = functools.partial(draw_colour, number)
    return Item(f"{number}.png", draw, (f"a {colour} square",), number % 2)
