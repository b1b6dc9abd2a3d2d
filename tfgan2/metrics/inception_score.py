"""Inception Score: high if a classifier is sure of each image, and all classes occur."""

import itertools

import numpy as np

SPLITS = 10


def inception_score(probabilities: np.ndarray, *, splits: int = SPLITS) -> dict[str, float]:
    """Exponential of the mean KL divergence of each image's classes from the mean of all images.

    Args:
      probabilities: class probabilities, floats [N, L]; N at least `splits`.
      splits: number of parts of the rows, in their order.

    Returns:
      `value`, the mean over the parts, from 1 to L; and `deviation`, the standard deviation over
      the parts, as published beside the score. A part with few rows has a low score.

    Source: Salimans et al. 2016, "Improved Techniques for Training GANs", section 4.
    """
    edges = np.arange(splits + 1) * len(probabilities) // splits
    scores = []
    for start, end in itertools.pairwise(edges):
        rows = np.asarray(probabilities[start:end], np.float64)
        ratios = np.log(np.maximum(rows, np.finfo(np.float64).tiny)) - np.log(
            np.maximum(rows.mean(axis=0), np.finfo(np.float64).tiny)
        )
        scores.append(np.exp((rows * ratios).sum(axis=1).mean()))
    return {"value": float(np.mean(scores)), "deviation": float(np.std(scores))}
