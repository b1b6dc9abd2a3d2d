"""Metrics of agreement between images and captions, and of diversity within a caption."""

import math
from collections.abc import Sequence

import numpy as np

NORMAL_95 = 1.959964
RESAMPLES = 200
CANDIDATES = 100
RANKS = (1, 5)
SURE = 0.9


def agreement(named: np.ndarray, asked: np.ndarray) -> dict[str, float]:
    """Share of images in which a classifier finds the label of the caption.

    Args:
      named: int64 [N], labels from the classifier.
      asked: int64 [N], labels of the captions.

    Returns:
      `value`, and `low` and `high` of Wilson's 95 % interval.
    """
    return proportion(named == asked)


def confidence(confidences: np.ndarray) -> dict[str, float]:
    """Share of images with a classifier probability above 0.9.

    Args:
      confidences: float64 [N], probability of each image's most likely label.

    Returns:
      `value`, and `low` and `high` of Wilson's 95 % interval.
    """
    return proportion(confidences > SURE)


def entropy(labels: np.ndarray, *, classes: int) -> dict[str, float]:
    """Entropy of labels, relative to the uniform distribution; low if some classes never occur.

    Args:
      labels: int64 [N].
      classes: number of classes, at least 2.

    Returns:
      `value`.
    """
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / len(labels)
    return {"value": float(-np.sum(shares * np.log(shares)) / math.log(classes))}


def retrieval(
    images: np.ndarray,
    sentences: np.ndarray,
    *,
    own: np.ndarray,
    groups: np.ndarray,
    ranks: Sequence[int],
    seed: int,
) -> dict[str, dict[str, float]]:
    """How often an image's own caption is among the best of 100; the other 99 are random.

    Args:
      images: float64 [N, D], codes of images.
      sentences: float64 [C, D], codes of captions; the inner product of two codes says how well
        they match.
      own: int64 [N], row of `sentences` that belongs to each image.
      groups: int64 [C]; captions of an image's own group are never its wrong captions.
      ranks: numbers of best captions; one result per number.
      seed: seed of the choice of wrong captions.

    Returns:
      By `r1`, `r5`, ...: `value`, `low` and `high` of Wilson's 95 % interval, and `chance`.

    Source: Xu et al. 2018, "AttnGAN", section 4.1 (R-precision, with R = 1).
    """
    generator = np.random.default_rng(seed)
    places, candidates = [], []
    for image, right in zip(images, own, strict=True):
        others = np.flatnonzero(groups != groups[right])
        wrong = generator.permutation(others)[: CANDIDATES - 1]
        # Ties and codes of NaN count as failures.
        worse = sentences[wrong] @ image < sentences[right] @ image
        places.append(len(wrong) - worse.sum())
        candidates.append(len(wrong) + 1)
    return {
        f"r{rank}": {
            **proportion(np.array(places) < rank),
            "chance": float(np.mean(np.minimum(1.0, rank / np.array(candidates)))),
        }
        for rank in ranks
    }


def proportion(hits: np.ndarray) -> dict[str, float]:
    """Share of hits, bool [N]: `value`, and `low` and `high` of Wilson's 95 % interval."""
    count = len(hits)
    share = float(np.mean(hits))
    spread = NORMAL_95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    # Rounding must not put a share of 0 or 1 outside the interval.
    low, high = min(share, middle - half), max(share, middle + half)
    return {"value": share, "low": max(0.0, low), "high": min(1.0, high)}


def clip_score(images: np.ndarray, sentences: np.ndarray) -> dict[str, float]:
    """Mean cosine of images and their captions times 100; a negative cosine counts as 0.

    Args:
      images: float64 [N, D], codes of length 1.
      sentences: float64 [N, D], codes of length 1.

    Returns:
      `value`, and `low` and `high` of the normal 95 % interval.

    Source: Hessel et al. 2021, "CLIPScore", section 3, with a factor of 100 instead of 2.5, as in
      most libraries.
    """
    return mean(100.0 * np.maximum(np.einsum("nd,nd->n", images, sentences), 0.0))


def mean(values: np.ndarray) -> dict[str, float]:
    """Mean of values float64 [N]: `value`, and `low` and `high` of the normal 95 % interval."""
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return normal_interval(float(values.mean()), float(error))


def normal_interval(value: float, standard_error: float) -> dict[str, float]:
    """Returns `value`, and `low` and `high` of its normal 95 % interval."""
    half = NORMAL_95 * standard_error
    return {"value": value, "low": value - half, "high": value + half}


def group_variances(features: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Unbiased variance of features within each group, summed over dimensions.

    Args:
      features: float64 [N, D].
      groups: int64 [N].

    Returns:
      float64, one value per group of at least two rows.
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
    """Variance among generated images of a caption, relative to that among its real images.

    Args:
      features: float64 [N, D], features of generated images.
      captions: int64 [N], indices of their captions; at least one occurs twice.
      real_features: float64 [M, D], features of real images.
      real_captions: int64 [M], indices of their captions; at least one occurs twice.
      seed: seed of the bootstrap.

    Returns:
      `value`, and `low` and `high` of a 95 % bootstrap interval over captions.
    """
    shares = group_variances(features, captions)
    shares /= group_variances(real_features, real_captions).mean()
    generator = np.random.default_rng(seed)
    means = [generator.choice(shares, len(shares)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(shares.mean()), "low": float(low), "high": float(high)}
