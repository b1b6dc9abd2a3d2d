"""Distances between two sets of images, as feature vectors."""

import dataclasses

import numpy as np

from tfgan2.metrics.moments import Moments
from tfgan2.metrics.row_blocks import row_blocks


def frechet_distance(one: Moments, other: Moments) -> float:
    """Frechet distance between two normal distributions; FID if the features are Inception's.

    Args:
      one: mean and covariance, which may be singular.
      other: mean and covariance of the same dimension.

    Returns:
      0 for equal moments. Finite sets give a positive bias, which is larger for smaller sets.

    Raises:
      ValueError: the dimensions differ.

    Source: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", section 2.
    """
    if one.mean.shape != other.mean.shape:
        sizes = f"{len(one.mean)} and {len(other.mean)}"
        raise ValueError(f"moments: must be of as many dimensions as each other, got {sizes}")
    difference = one.mean - other.mean
    # The trace of the square root of AB equals the sum of the singular values of root(A) root(B).
    # This sum is always real; a square root of AB may be complex or not exist.
    roots = _root(one.covariance) @ _root(other.covariance)
    overlap = np.linalg.svd(roots, compute_uv=False).sum()
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    return float(max(0.0, difference @ difference + traces - 2.0 * overlap))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root of a covariance float64 [D, D]."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    # Zero eigenvalues become rounding errors; their square roots would be eight digits larger.
    rounding = len(values) * np.finfo(np.float64).eps * max(values.max(), 0.0)
    return (vectors * np.sqrt(np.where(values > rounding, values, 0.0))) @ vectors.T


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value and its error: a standard error or a standard deviation."""

    value: float
    error: float


def kernel_distance(one: np.ndarray, other: np.ndarray, *, memory_mib: int = 256) -> Estimate:
    """Kernel inception distance: unbiased squared MMD with a cubic kernel, of whole sets.

    Args:
      one: floats [N, D], features, N at least 2.
      other: floats [M, D], features, M at least 2.
      memory_mib: approximate memory of a block of kernel values, in MiB.

    Returns:
      0 in expectation if both sets come from one distribution; may be negative. The error is the
      jackknife standard error; a set of only two rows adds 0 to it.

    Source: Binkowski et al. 2018, "Demystifying MMD GANs", section 4; Efron and Stein 1981.
    """
    within_one = _sums_of_others(one, memory_mib=memory_mib)
    within_other = _sums_of_others(other, memory_mib=memory_mib)
    to_other, to_one = np.zeros(len(one)), np.zeros(len(other))
    # Sum the kernel values between the sets by row and by column.
    for start, rows in row_blocks(one, columns=len(other), memory_mib=memory_mib):
        values = _kernel(rows, other)
        to_other[start : start + len(rows)] = values.sum(axis=1)
        to_one += values.sum(axis=0)
    # Compute the estimate, and the jackknife variance over the rows of each set.
    count, others = len(one), len(other)
    cross = to_other.sum() / (count * others)
    of_one, of_other = _mean_of_pairs(within_one), _mean_of_pairs(within_other)
    variance = 0.0
    if count > 2:
        variance += _jackknife(
            _without_each(within_one) - 2.0 * (to_other.sum() - to_other) / ((count - 1) * others)
        )
    if others > 2:
        variance += _jackknife(
            _without_each(within_other) - 2.0 * (to_one.sum() - to_one) / (count * (others - 1))
        )
    return Estimate(float(of_one + of_other - 2.0 * cross), float(np.sqrt(variance)))


def kernel_distance_of_subsets(
    one: np.ndarray, other: np.ndarray, *, subsets: int, subset_size: int, seed: int
) -> Estimate:
    """Mean kernel inception distance over random subsets, as most publications report it.

    Args:
      one: floats [N, D], features.
      other: floats [M, D], features.
      subsets: number of subsets.
      subset_size: rows drawn from each set, at least 2 and at most N and M.
      seed: seed of the subsets, which are the same as in torch-fidelity.

    Returns:
      The mean, and the standard deviation over the subsets.
    """
    generator = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        rows = generator.choice(len(one), subset_size, replace=False)
        others = generator.choice(len(other), subset_size, replace=False)
        values.append(kernel_distance(one[rows], other[others]).value)
    return Estimate(float(np.mean(values)), float(np.std(values)))


def _kernel(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    values = rows @ columns.T
    values /= rows.shape[1]
    values += 1.0
    return values * values * values


def _sums_of_others(features: np.ndarray, *, memory_mib: int) -> np.ndarray:
    """Sums for each row its kernel values with all other rows: float64 [N]."""
    sums = np.empty(len(features))
    for start, rows in row_blocks(features, columns=len(features), memory_mib=memory_mib):
        values = _kernel(rows, features)
        at = np.arange(len(rows))
        values[at, start + at] = 0.0
        sums[start : start + len(rows)] = values.sum(axis=1)
    return sums


def _mean_of_pairs(sums: np.ndarray) -> float:
    return sums.sum() / (len(sums) * (len(sums) - 1))


def _without_each(sums: np.ndarray) -> np.ndarray:
    """Returns the means over the remaining pairs when each row in turn is left out."""
    return (sums.sum() - 2.0 * sums) / ((len(sums) - 1) * (len(sums) - 2))


def _jackknife(values: np.ndarray) -> float:
    """Returns the variance of an estimate, from its values with each row in turn left out."""
    return float((len(values) - 1) * values.var())
