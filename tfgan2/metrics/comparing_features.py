"""Metrics that compare features of generated and real images."""

import functools
from collections.abc import Sequence

import numpy as np

from tfgan2.metrics import distances, moments, neighbours, text_image
from tfgan2.metrics.catalogue import NEIGHBOURLY
from tfgan2.metrics.extraction import BLURRED, FEATURES, PROBABILITIES, Arrays
from tfgan2.metrics.inception_score import inception_score
from tfgan2.metrics.moments import Moments
from tfgan2.metrics.protocol import Protocol
from tfgan2.program import UsageError


def compare(
    generated: Arrays,
    of_real: Arrays,
    metrics: Sequence[str],
    protocol: Protocol,
    statistics: Moments | None,
    *,
    memory_mib: int,
) -> dict[str, dict[str, float]]:
    """Computes the metrics that need only features or class probabilities.

    Args:
      generated: features and probabilities of generated images.
      of_real: features and probabilities of real images.
      metrics: metric names; other metrics are ignored.
      protocol: options of KID and of the nearest neighbours.
      statistics: moments of other real images, for FID; None: moments of `of_real`.
      memory_mib: approximate memory of a block of distances, in MiB.

    Raises:
      UsageError: the statistics have another dimension than the features.
    """
    results: dict[str, dict[str, float]] = {}
    if "kid" in metrics:
        distance = functools.partial(_kid, protocol=protocol, memory_mib=memory_mib)
        results["kid"] = distance(generated[FEATURES], of_real[FEATURES])
        blurred = distance(of_real[BLURRED + FEATURES], of_real[FEATURES])
        results["kid_blurred"] = {"value": blurred["value"]}
    if "fid" in metrics:
        own = moments.moments(generated[FEATURES])
        reference = statistics or moments.moments(of_real[FEATURES])
        if own.mean.shape != reference.mean.shape:
            rule = f"must be of {len(own.mean)} dimensions, as the features"
            raise UsageError("--statistics", rule, len(reference.mean))
        value = distances.frechet_distance(own, reference)
        results["fid"] = {"value": value}
        if statistics is None:
            of_blurred = moments.moments(of_real[BLURRED + FEATURES])
            value = distances.frechet_distance(of_blurred, reference)
            results["fid_blurred"] = {"value": value}
    if "inception_score" in metrics:
        results["inception_score"] = inception_score(generated[PROBABILITIES])
        results["inception_score_real"] = inception_score(of_real[PROBABILITIES])
    if set(metrics) & set(NEIGHBOURLY):
        found = neighbours.neighbourhoods(
            of_real[FEATURES], generated[FEATURES], nearest=protocol.nearest, memory_mib=memory_mib
        )
        values = {
            "precision": text_image.proportion(found.precise),
            "recall": text_image.proportion(found.recalled),
            "density": text_image.mean(found.densities),
            "coverage": text_image.proportion(found.covered),
        }
        results |= {name: value for name, value in values.items() if name in metrics}
    return results


def _kid(
    one: np.ndarray, other: np.ndarray, *, protocol: Protocol, memory_mib: int
) -> dict[str, float]:
    if protocol.kid_subsets:
        found = distances.kernel_distance_of_subsets(
            one,
            other,
            subsets=protocol.kid_subsets,
            subset_size=protocol.kid_subset_size,
            seed=protocol.seed,
        )
        return {"value": found.value, "deviation": found.error}
    found = distances.kernel_distance(one, other, memory_mib=memory_mib)
    interval = text_image.normal_interval(found.value, found.error)
    return {**interval, "standard_error": found.error}
