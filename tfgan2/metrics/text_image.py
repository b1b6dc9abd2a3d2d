"""Whether a picture is what its caption asks for, and not always the same one."""

import math

import numpy as np

NORMAL_95 = 1.959964
RESAMPLES = 200


def agreement(named: np.ndarray, asked: np.ndarray) -> dict[str, float]:
    """Share of pictures in which a classifier sees the label that the caption names.

    Args:
      named: int64 [N], labels that the classifier gives.
      asked: int64 [N], labels of the captions.

    Returns:
      value, and low and high of Wilson's 95 % interval.
    """
    count = len(named)
    share = float(np.mean(named == asked))
    spread = NORMAL_95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return {"value": share, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def group_variances(features: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Unbiased variance of features within each group, summed over dimensions.

    Args:
      features: float64 [N, D].
      groups: int64 [N].

    Returns:
      float64, one for each group of two rows or more.
    """
    members = (features[groups == group] for group in np.unique(groups))
    return np.array([rows.var(axis=0, ddof=1).sum() for rows in members if len(rows) > 1])


def diversity(
    features: np.ndarray,
    captions: np.ndarray,
    *,
    real_features: np.ndarray,
    real_captions: np.ndarray,
    seed: int,
) -> dict[str, float]:
    """Variance among pictures of one caption, as a share of that among its real images.

    Args:
      features: float64 [N, D] of generated pictures.
      captions: int64 [N], numbers of their captions; at least one stands twice.
      real_features: float64 [M, D] of real images.
      real_captions: int64 [M], numbers of their captions; at least one stands twice.
      seed: of the bootstrap.

    Returns:
      value, and low and high of a 95 % bootstrap interval over captions.
    """
    shares = group_variances(features, captions)
    shares /= group_variances(real_features, real_captions).mean()
    generator = np.random.default_rng(seed)
    means = [generator.choice(shares, len(shares)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(shares.mean()), "low": float(low), "high": float(high)}
