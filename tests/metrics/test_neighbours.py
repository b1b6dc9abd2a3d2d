"""Nearest-neighbour balls: precision, recall, density and coverage on small cases."""

import numpy as np

from tfgan2.metrics import neighbours
from tfgan2.metrics.neighbours import neighbourhoods
from tfgan2.metrics.row_blocks import empty_rows

SMALLEST_BLOCKS_MIB = 0  # One row per block.


def normal(count: int, *, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, (count, 6))


def test_balls_of_points_on_a_line() -> None:
    real = np.array([[0.0], [1.0], [2.0], [10.0]])  # Ball radii: 1, 1, 1 and 8.
    drawn = np.array([[0.5], [1.0], [4.0], [30.0]])  # Ball radii: 0.5, 0.5, 3 and 26.
    found = neighbourhoods(real, drawn, nearest=1)
    np.testing.assert_array_equal(found.precise, [True, True, True, False])
    np.testing.assert_array_equal(found.densities, [2.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(found.recalled, [False, True, True, True])
    np.testing.assert_array_equal(found.covered, [True, True, False, True])


def test_distance_of_copies_is_exactly_0() -> None:
    real = np.random.default_rng(0).normal(10.0, 1.0, (11, 301))
    squared = neighbours._squared_distances(real, real[np.arange(120) % 11])
    assert (squared[np.arange(120) % 11, np.arange(120)] == 0.0).all()
    assert (squared > 0.0).sum() == 10 * 120


def test_neighbourhoods_do_not_depend_on_blocks_or_row_order() -> None:
    real, drawn = normal(120, seed=0), normal(90, seed=1, mean=0.3)
    whole = neighbourhoods(real, drawn, nearest=3)
    by_row = neighbourhoods(real, drawn, nearest=3, memory_mib=SMALLEST_BLOCKS_MIB)
    kept = empty_rows(120, 6, memory_mib=0)
    kept[:] = real[::-1]
    assert isinstance(kept, np.memmap)
    turned = neighbourhoods(kept, drawn, nearest=3)
    for found, order in ((by_row, slice(None)), (turned, slice(None, None, -1))):
        np.testing.assert_array_equal(found.precise, whole.precise)
        np.testing.assert_array_equal(found.densities, whole.densities)
        np.testing.assert_array_equal(found.recalled[order], whole.recalled)
        np.testing.assert_array_equal(found.covered[order], whole.covered)
