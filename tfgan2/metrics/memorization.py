"""Memorization: whether generated images lie nearer to the train images than held-out images do."""

import numpy as np

from tfgan2.metrics.neighbours import nearest_distances
from tfgan2.metrics.text_image import normal_interval


def memorization(
    generated: np.ndarray, *, train: np.ndarray, held_out: np.ndarray, memory_mib: int = 256
) -> dict[str, float]:
    """Probability that a generated image is nearer to the train images than a held-out image is.

    The distance of an image to the train images is the distance of its features to the nearest
    features of a train image. Equal distances count as one half. 0.5: generated images are as far
    from the train images as held-out images are; near 1: the model copies train images; near 0:
    the model draws images unlike any train image.

    Args:
      generated: floats [M, D], features of generated images, M at least 2.
      train: floats [N, D], features of the train images.
      held_out: floats [H, D], features of real images that are not train images, H at least 2.
      memory_mib: approximate memory of a block of distances, in MiB.

    Returns:
      `value`, and `low` and `high` of the normal 95 % interval, within 0 and 1.

    Source: Meehan et al. 2020, "A Non-Parametric Test to Detect Data-Copying in Generative
      Models", section 4.1 (Mann-Whitney statistic of the two sets of distances, over the whole
      space); the standard error is that of DeLong et al. 1988, "Comparing the Areas under Two or
      More Correlated Receiver Operating Characteristic Curves", equation 5.
    """
    ours = nearest_distances(generated, train, memory_mib=memory_mib)
    theirs = nearest_distances(held_out, train, memory_mib=memory_mib)
    # Share of held-out images that are farther than each generated image, and the reverse.
    farther = _share_above(ours, theirs)
    nearer = 1.0 - _share_above(theirs, ours)
    value = float(farther.mean())
    error = (farther.var(ddof=1) / len(ours) + nearer.var(ddof=1) / len(theirs)) ** 0.5
    interval = normal_interval(value, float(error))
    return {"value": value, "low": max(0.0, interval["low"]), "high": min(1.0, interval["high"])}


def _share_above(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of `others` above each value, where equal ones count as one half; float64 [N]."""
    ordered = np.sort(others)
    at_most = np.searchsorted(ordered, values, side="right")
    below = np.searchsorted(ordered, values, side="left")
    return 1.0 - (at_most + below) / (2.0 * len(others))
