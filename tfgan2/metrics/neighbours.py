"""Precision, recall, density and coverage of generated images, by nearest neighbours."""

import dataclasses

import numpy as np

from tfgan2.metrics.row_blocks import row_blocks

ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True)
class Neighbourhoods:
    """Membership in balls around images; the radius is the distance to the k-th neighbour.

    Attributes:
      precise: bool [M], whether a generated image lies in the ball of a real image.
      recalled: bool [N], whether a real image lies in the ball of a generated image.
      densities: float64 [M], number of real images' balls around a generated image, divided by k.
      covered: bool [N], whether the ball of a real image holds a generated image.
    """

    precise: np.ndarray
    recalled: np.ndarray
    densities: np.ndarray
    covered: np.ndarray


def neighbourhoods(
    real: np.ndarray, generated: np.ndarray, *, nearest: int, memory_mib: int = 256
) -> Neighbourhoods:
    """Finds which images lie in which balls; the means of the outputs are the four metrics.

    Args:
      real: floats [N, D], features of real images, N above `nearest`.
      generated: floats [M, D], features of generated images, M above `nearest`.
      nearest: k; the image itself does not count.
      memory_mib: approximate memory of a block of distances, in MiB.

    Source: Kynkaanniemi et al. 2019, "Improved Precision and Recall Metric", section 2; Naeem et
      al. 2020, "Reliable Fidelity and Diversity Metrics", section 3. As in the code of the latter,
      balls are open: a point on the edge is outside.
    """
    real_radii = _squared_radii(real, nearest=nearest, memory_mib=memory_mib)
    generated_radii = _squared_radii(generated, nearest=nearest, memory_mib=memory_mib)
    balls = np.zeros(len(generated))
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for start, rows in row_blocks(real, columns=len(generated), memory_mib=memory_mib):
        squared = _squared_distances(rows, generated)
        own = slice(start, start + len(rows))
        balls += (squared < real_radii[own, np.newaxis]).sum(axis=0)
        recalled[own] = (squared < generated_radii).any(axis=1)
        covered[own] = squared.min(axis=1) < real_radii[own]
    return Neighbourhoods(
        precise=balls > 0, recalled=recalled, densities=balls / nearest, covered=covered
    )


def nearest_distances(rows: np.ndarray, others: np.ndarray, *, memory_mib: int = 256) -> np.ndarray:
    """Computes the squared distance of each row [N, D] to the nearest other row [M, D]: [N]."""
    nearest = np.empty(len(rows))
    for start, block in row_blocks(rows, columns=len(others), memory_mib=memory_mib):
        own = slice(start, start + len(block))
        nearest[own] = _squared_distances(block, others).min(axis=1)
    return nearest


def _squared_radii(features: np.ndarray, *, nearest: int, memory_mib: int) -> np.ndarray:
    """Computes each row's squared distance to its k-th nearest other row: float64 [N]."""
    radii = np.empty(len(features))
    for start, rows in row_blocks(features, columns=len(features), memory_mib=memory_mib):
        squared = _squared_distances(rows, features)
        at = np.arange(len(rows))
        squared[at, start + at] = -1.0  # Sort the row itself first, before its copies.
        radii[start : start + len(rows)] = np.partition(squared, nearest, axis=1)[:, nearest]
    return radii


def _squared_distances(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    lengths = np.einsum("nd,nd->n", rows, rows)[:, np.newaxis]
    lengths = lengths + np.einsum("nd,nd->n", columns, columns)
    squared = lengths - 2.0 * (rows @ columns.T)
    # Equal rows have distance 0; the rounding error would depend on the order of the sums.
    squared[squared < ROUNDING * lengths] = 0.0
    return squared
