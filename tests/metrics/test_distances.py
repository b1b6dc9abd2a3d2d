"""Distances of features: exact on known distributions, for every block size and row order."""

import numpy as np
import pytest

from tfgan2.metrics import distances, moments
from tfgan2.metrics.moments import Moments

SMALLEST_BLOCKS_MIB = 0  # One row per block.


def normal(count: int, size: int, *, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, (count, size))


def test_fid_of_equal_sets_is_0_and_of_shifted_sets_the_squared_shift() -> None:
    rows = normal(30, 50, seed=1)  # Fewer rows than dimensions give a singular covariance.
    of_rows = moments.moments(rows)
    assert distances.frechet_distance(of_rows, of_rows) == pytest.approx(0.0, abs=1e-11)
    shifted = moments.moments(rows + 2.0)
    assert distances.frechet_distance(of_rows, shifted) == pytest.approx(200.0, rel=1e-12)
    point = Moments(np.zeros(50), np.zeros((50, 50)))
    spread = of_rows.mean @ of_rows.mean + np.trace(of_rows.covariance)
    assert distances.frechet_distance(of_rows, point) == pytest.approx(spread, rel=1e-12)


def test_fid_of_different_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="as many dimensions as each other, got 3 and 2"):
        distances.frechet_distance(Moments(np.zeros(3), np.eye(3)), Moments(np.zeros(2), np.eye(2)))


def test_kid_error_is_the_jackknife_error() -> None:
    one, other = normal(7, 3, seed=1), normal(5, 3, seed=2)
    without_one = [
        distances.kernel_distance(np.delete(one, row, 0), other).value for row in range(7)
    ]
    without_other = [
        distances.kernel_distance(one, np.delete(other, row, 0)).value for row in range(5)
    ]
    variance = 6 * np.var(without_one) + 4 * np.var(without_other)
    error = distances.kernel_distance(one, other).error
    assert error == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert distances.kernel_distance(one[:2], other[:2]).error == 0.0


def test_distances_do_not_depend_on_blocks_or_row_order() -> None:
    one, other = normal(101, 7, seed=1), normal(83, 7, seed=2, mean=0.1)
    whole = distances.kernel_distance(one, other)
    assert distances.kernel_distance(one, other) == whole
    rows = distances.kernel_distance(one, other, memory_mib=SMALLEST_BLOCKS_MIB)
    mixed = distances.kernel_distance(one[::-1], np.roll(other, 5, axis=0))
    for found in (rows, mixed):
        assert found.value == pytest.approx(whole.value, rel=1e-10)
        assert found.error == pytest.approx(whole.error, rel=1e-10)
    subsets = [
        distances.kernel_distance_of_subsets(one, other, subsets=4, subset_size=20, seed=3)
        for _ in range(2)
    ]
    assert subsets[0] == subsets[1]
