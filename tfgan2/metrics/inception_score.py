"""Inception Score: pictures that a classifier is sure of, and as many kinds as can be."""

import itertools

import numpy as np

SPLITS = 10


def inception_score(probabilities: np.ndarray, *, splits: int = SPLITS) -> dict[str, float]:
    """Exponential of the mean divergence of each picture's classes from those of all.

    Args:
      probabilities: floats [N, L], of each class; N at least `splits`.
      splits: the rows are split into so many parts, in their order.

    Returns:
      value, the mean over the parts, from 1 to L; and deviation, that over the parts, which is
      published beside it. A part of few rows has a low score.

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
