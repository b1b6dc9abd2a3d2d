"""Memorization: copies of train images are told from new images."""

import numpy as np
import pytest

from tfgan2.metrics.memorization import memorization


def normal(count: int, *, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, (count, 6))


def test_distances_are_compared_pair_by_pair() -> None:
    train = np.array([[0.0], [10.0]])
    held_out = np.array([[1.0], [13.0]])  # Distances to the train images: 1 and 3.
    generated = np.array([[0.5], [8.0], [7.0], [14.0]])  # Distances: 0.5, 2, 3 and 4.
    found = memorization(generated, train=train, held_out=held_out)
    # Of the 8 pairs, the generated image is nearer in 3; one pair is equal.
    assert found["value"] == pytest.approx(3.5 / 8)
    assert found["low"] <= found["value"] <= found["high"]


def test_new_images_of_the_same_distribution_have_one_half() -> None:
    found = memorization(
        normal(400, seed=2), train=normal(300, seed=0), held_out=normal(300, seed=1)
    )
    assert found["low"] < 0.5 < found["high"]
    assert found["high"] - found["low"] < 0.15


def test_copies_have_one_and_unlike_images_have_zero() -> None:
    train, held_out = normal(300, seed=0), normal(100, seed=1)
    copies = train[np.arange(80) * 3] + 1e-6
    assert memorization(copies, train=train, held_out=held_out)["value"] == 1.0
    unlike = memorization(normal(80, seed=2, mean=9.0), train=train, held_out=held_out)
    assert unlike == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_value_does_not_depend_on_blocks() -> None:
    sets = {"train": normal(70, seed=0), "held_out": normal(40, seed=1)}
    whole = memorization(normal(50, seed=2), **sets)
    assert memorization(normal(50, seed=2), **sets, memory_mib=0) == pytest.approx(whole)
