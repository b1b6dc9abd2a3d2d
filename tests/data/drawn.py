"""Items for tests of preparing; worker processes load this file, which needs no TensorFlow."""

import functools

import numpy as np

from tfgan2.data.images import UnreadableError
from tfgan2.data.sources import Item


def draw(number: int) -> np.ndarray:
    """8x8 px of noise; every number that ends in 7 is broken."""
    if number % 10 == 7:
        raise UnreadableError("image is broken")
    return np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)


def item(number: int) -> Item:
    return Item(f"{number}.png", functools.partial(draw, number), (f"number {number}",), number)
