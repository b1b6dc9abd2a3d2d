"""Metrics of agreement between images and captions, and of diversity within a caption."""

import math
from collections.abc import Sequence

import numpy as np

NORMAL_95 = 1.959964
RESAMPLES = 200
CANDIDATES = 100
RANKS = (1, 5)
SURE = 0.9


def agreement(predicted: np.ndarray, requested: np.ndarray) -> dict[str, float]:
    """Fraction of images in which a classifier finds the label of the caption.

    Args:
      predicted: int64 [N], labels from the classifier.
      requested: int64 [N], labels of the captions.

    Returns:
      `value`, and `low` and `high` of Wilson's 95 % interval.
    """
    return proportion(predicted == requested)


def confidence(confidences: np.ndarray) -> dict[str, float]:
    """Fraction of images with a classifier probability above 0.9.

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
      classes: number of classes.

    Returns:
      `value`; empty if there is one class.
    """
    if classes < 2:
        return {}
    _, counts = np.unique(labels, return_counts=True)
    fractions = counts / len(labels)
    return {"value": float(-np.sum(fractions * np.log(fractions)) / math.log(classes))}


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
      sentences: float64 [C, D], codes of captions; the inner product of two codes is
        their similarity.
      own: int64 [N], row of `sentences` that belongs to each image.
      groups: int64 [C]; captions of an image's own group are never its negative captions.
      ranks: numbers of best captions; one result per number.
      seed: seed of the choice of negative captions.

    Returns:
      By `r1`, `r5`, ...: `value`, `low` and `high` of Wilson's 95 % interval, and `chance`.

    Source: Xu et al. 2018, "AttnGAN", section 4.1 (R-precision, with R = 1).
    """
    generator = np.random.default_rng(seed)
    ranks_of_own, candidates = [], []
    for image, row in zip(images, own, strict=True):
        others = np.flatnonzero(groups != groups[row])
        negatives = generator.permutation(others)[: CANDIDATES - 1]
        # Ties and codes of NaN count as failures.
        worse = sentences[negatives] @ image < sentences[row] @ image
        ranks_of_own.append(len(negatives) - worse.sum())
        candidates.append(len(negatives) + 1)
    return {
        f"r{rank}": {
            **proportion(np.array(ranks_of_own) < rank),
            "chance": float(np.mean(np.minimum(1.0, rank / np.array(candidates)))),
        }
        for rank in ranks
    }


def proportion(hits: np.ndarray) -> dict[str, float]:
    """Fraction of hits, bool [N]: `value`, and `low` and `high` of Wilson's 95 % interval."""
    count = len(hits)
    p = float(np.mean(hits))
    z2 = NORMAL_95**2 / count
    middle = (p + z2 / 2) / (1 + z2)
    half = NORMAL_95 * math.sqrt(p * (1 - p) / count + z2 / (4 * count)) / (1 + z2)
    # Rounding must not put a fraction of 0 or 1 outside the interval.
    low, high = min(p, middle - half), max(p, middle + half)
    return {"value": p, "low": max(0.0, low), "high": min(1.0, high)}


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


def clip_score_of_mean(images: np.ndarray, sentences: np.ndarray) -> dict[str, float]:
    """Mean cosine of images and their captions times 100; a negative mean counts as 0.

    Args:
      images: float64 [N, D], codes of length 1.
      sentences: float64 [N, D], codes of length 1.

    Returns:
      `value`, and `low` and `high` of the normal 95 % interval.

    Source: CLIPScore of torchmetrics.
    """
    unclipped = mean(100.0 * np.einsum("nd,nd->n", images, sentences))
    return {name: max(value, 0.0) for name, value in unclipped.items()}


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
      `value`, and `low` and `high` of a 95 % bootstrap interval over captions; empty if no caption
      occurs twice, or if the real images of each caption are equal.
    """
    ratios = group_variances(features, captions)
    of_real = group_variances(real_features, real_captions)
    if not len(ratios) or not of_real.any():
        return {}
    ratios /= of_real.mean()
    generator = np.random.default_rng(seed)
    means = [generator.choice(ratios, len(ratios)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(ratios.mean()), "low": float(low), "high": float(high)}
