"""Distances between two sets of images, as feature vectors."""

import numpy as np


def kernel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Kernel inception distance: unbiased squared MMD with a cubic kernel.

    Args:
      one: float64 [N, D] features, N at least 2.
      other: float64 [M, D] features, M at least 2.

    Returns:
      0 in expectation where both come from one distribution; it can be below 0.

    Source: Binkowski et al. 2018, "Demystifying MMD GANs", section 4.
    """

    def kernel(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return (rows @ columns.T / rows.shape[1] + 1.0) ** 3

    def mean_of_pairs(rows: np.ndarray) -> float:
        values = kernel(rows, rows)
        return (values.sum() - np.trace(values)) / (len(rows) * (len(rows) - 1))

    between = kernel(one, other).mean()
    return float(mean_of_pairs(one) + mean_of_pairs(other) - 2.0 * between)
