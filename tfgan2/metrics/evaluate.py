"""Runs metrics on any sampler against a data set; each result carries its protocol."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfgan2.data.pipeline import Examples
from tfgan2.metrics import distances, text_image
from tfgan2.metrics.features import Classifier
from tfgan2.program import UsageError, progress

NEEDS = {
    "agreement": "labels",
    "diversity": "captions that images share",
    "kid": "two images",
}
METRICS = tuple(NEEDS)
BATCH_SIZE = 50
# Fewer pictures of a caption tell little of how they vary; then fewer captions are asked for.
PICTURES_PER_CAPTION = 10
BLURRED_SIDE_PX = 8

# From captions (N strings), seeds int64 [N] and a truncation to pictures uint8 [N, S, S, C].
Sample = Callable[[Sequence[str], np.ndarray, float], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How many samples of what; `truncation` 0 means the model's own."""

    samples: int
    seed: int
    truncation: float


def supported(real: Examples) -> tuple[str, ...]:
    """Names of the metrics that a data set allows."""
    _, groups, labels = _captions(real)
    allowed = {
        "agreement": labels.min() >= 0,
        "diversity": np.bincount(groups).max() > 1,
        "kid": len(groups) > 1,
    }
    return tuple(name for name in METRICS if allowed[name])


def evaluate(
    sample: Sample,
    real: Examples,
    *,
    classifier: Classifier,
    metrics: Sequence[str],
    protocol: Protocol,
) -> dict[str, dict[str, Any]]:
    """Draws samples for the captions of real images and measures them.

    Captions are taken in turn, in an order that the seed gives: all of them, or as many as leave
    ten pictures for each. Sample number i has the seed `protocol.seed` + i.

    Args:
      sample: draws pictures.
      real: images that were held out of training.
      classifier: gives features and labels.
      metrics: names out of `METRICS`.
      protocol: how many samples of what.

    Returns:
      By name of the metric, value and, where it makes sense, low and high. `kid` comes with
      `kid_blurred`: that of real images blurred to 8x8, for comparison.

    Raises:
      UsageError: the data set does not allow a metric.
    """
    allowed = supported(real)
    for name in metrics:
        if name not in allowed:
            raise UsageError("--metrics", f"{name} needs {NEEDS[name]}", "a data set without")
    texts, groups, labels = _captions(real)
    asked = max(1, min(len(texts), protocol.samples // PICTURES_PER_CAPTION))
    order = np.random.default_rng(protocol.seed).permutation(len(texts))[:asked]
    chosen = order[np.arange(protocol.samples) % asked]
    pictures = _draw(sample, [texts[row] for row in chosen], protocol)
    features, named = classifier(pictures)
    real_features, _ = classifier(real.image)

    results: dict[str, dict[str, Any]] = {}
    if "agreement" in metrics:
        results["agreement"] = text_image.agreement(named, labels[chosen])
    if "diversity" in metrics:
        results["diversity"] = text_image.diversity(
            features,
            chosen,
            real_features=real_features,
            real_captions=groups,
            seed=protocol.seed,
        )
    if "kid" in metrics:
        blurred_features, _ = classifier(_blur(real.image))
        results["kid"] = {"value": distances.kernel_distance(features, real_features)}
        results["kid_blurred"] = {
            "value": distances.kernel_distance(blurred_features, real_features)
        }
    return results


def _captions(real: Examples) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Distinct captions, for every image the number of its first one, for every caption a label."""
    numbers: dict[str, int] = {}
    labels: list[int] = []
    for texts, label in zip(real.captions, real.label, strict=True):
        for text in texts:
            if numbers.setdefault(text, len(labels)) == len(labels):
                labels.append(int(label))
    groups = np.array([numbers[texts[0]] for texts in real.captions])
    return list(numbers), groups, np.array(labels)


def _draw(sample: Sample, captions: list[str], protocol: Protocol) -> np.ndarray:
    seeds = protocol.seed + np.arange(len(captions), dtype=np.int64)
    starts = range(0, len(captions), BATCH_SIZE)
    return np.concatenate(
        [
            sample(
                captions[start : start + BATCH_SIZE],
                seeds[start : start + BATCH_SIZE],
                protocol.truncation,
            )
            for start in progress(starts, total=len(starts), description="draw", unit="batches")
        ]
    )


def _blur(images: np.ndarray) -> np.ndarray:
    """Means over an 8x8 grid, enlarged again by repetition."""
    count, side, _, channels = images.shape
    cell = side // BLURRED_SIDE_PX
    cells = images.reshape(count, BLURRED_SIDE_PX, cell, BLURRED_SIDE_PX, cell, channels)
    means = np.rint(cells.mean(axis=(2, 4))).astype(np.uint8)
    return means.repeat(cell, axis=1).repeat(cell, axis=2)
