"""Runs metrics on any sampler against a data set; each result carries its protocol."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfgan2.data.pipeline import Examples
from tfgan2.metrics import distances, text_image
from tfgan2.metrics.features import Classifier
from tfgan2.models.matcher import Matcher
from tfgan2.program import UsageError, progress

NEEDS = {
    "agreement": "labels",
    "diversity": "two images, and labels or a matching model",
    "kid": "two images, and labels or a matching model",
    "r_precision": "a matching model (--matching)",
}
METRICS = tuple(NEEDS)
BATCH_SIZE = 50
BLURRED_SIDE_PX = 8

# From captions (N strings), seeds int64 [N] and a truncation to pictures uint8 [N, S, S, C].
Sample = Callable[[Sequence[str], np.ndarray, float], np.ndarray]
# From images uint8 [N, S, S, C] to features float64 [N, D] and, of a classifier, labels int64 [N].
Look = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How many samples of what.

    Attributes:
      samples: pictures drawn.
      seed: of the first picture, and of the choice of captions.
      truncation: of the latents; 0 means the model's own.
      pictures_per_caption: at least so many; fewer than ten tell little of how they vary.
    """

    samples: int
    seed: int
    truncation: float
    pictures_per_caption: int = 10


@dataclasses.dataclass(frozen=True)
class Captions:
    """Distinct captions of some images.

    Attributes:
      texts: C strings.
      first: int64 [N], for every image the number of its first caption.
      image: int64 [C], the number of the first image that has it.
      label: int64 [C], of that image.
      group: int64 [C]: captions of one label, or of one image where there are no labels.
    """

    texts: list[str]
    first: np.ndarray
    image: np.ndarray
    label: np.ndarray
    group: np.ndarray


def numbered(captions: Sequence[Sequence[str]], labels: np.ndarray) -> Captions:
    """Numbers the distinct captions of images (N tuples) with labels int64 [N]."""
    numbers: dict[str, int] = {}
    images: list[int] = []
    for image, texts in enumerate(captions):
        for text in texts:
            if numbers.setdefault(text, len(images)) == len(images):
                images.append(image)
    label = labels[images]
    return Captions(
        texts=list(numbers),
        first=np.array([numbers[texts[0]] for texts in captions]),
        image=np.array(images),
        label=label,
        group=np.where(label >= 0, label, -1 - np.array(images)),
    )


def supported(real: Examples, *, labelled: bool, matching: bool) -> tuple[str, ...]:
    """Names of the metrics that images allow, with or without labels and a matching model."""
    featured = len(real.label) > 1 and (labelled or matching)
    allowed = {
        "agreement": labelled,
        "diversity": featured,
        "kid": featured,
        "r_precision": matching,
    }
    return tuple(name for name in METRICS if allowed[name])


def evaluate(
    sample: Sample,
    real: Examples,
    *,
    classifier: Classifier | None,
    matcher: Matcher | None = None,
    metrics: Sequence[str],
    protocol: Protocol,
) -> dict[str, dict[str, Any]]:
    """Draws samples for the captions of real images and measures them.

    Captions are taken in turn, in an order that the seed gives: all of them, or as many as leave
    enough pictures for each. Sample number i has the seed `protocol.seed` + i.

    Args:
      sample: draws pictures.
      real: images to hold them against.
      classifier: gives labels and features; None for data without labels.
      matcher: gives features where there is no classifier, and finds captions.
      metrics: names out of `METRICS`.
      protocol: how many samples of what.

    Returns:
      By name of the metric, value and, where it makes sense, low and high. `kid` comes with
      `kid_blurred`: that of real images blurred to 8x8. `r_precision` (the first of 100) and
      `r_precision_at_5` come with those of the real images, and of captions in another order.

    Raises:
      UsageError: the data set does not allow a metric.
    """
    labelled = classifier is not None and real.label.min() >= 0
    allowed = supported(real, labelled=labelled, matching=matcher is not None)
    for name in metrics:
        if name not in allowed:
            raise UsageError("--metrics", f"{name} needs {NEEDS[name]}", "none")
    captions = numbered(real.captions, real.label)
    asked = max(1, min(len(captions.texts), protocol.samples // protocol.pictures_per_caption))
    order = np.random.default_rng(protocol.seed).permutation(len(captions.texts))[:asked]
    chosen = order[np.arange(protocol.samples) % asked]
    pictures = _draw(sample, [captions.texts[row] for row in chosen], protocol)

    results: dict[str, dict[str, Any]] = {}
    if set(metrics) - {"r_precision"}:
        look = _look(classifier, matcher)
        drawn, named = look(pictures)
        if "agreement" in metrics and named is not None:
            results["agreement"] = text_image.agreement(named, captions.label[chosen])
    if "diversity" in metrics or "kid" in metrics:
        of_real, _ = look(real.image)
        if "diversity" in metrics:
            results["diversity"] = text_image.diversity(
                drawn,
                chosen,
                real_features=of_real,
                real_captions=captions.first
                if captions_are_shared(real)
                else np.zeros_like(captions.first),
                seed=protocol.seed,
            )
        if "kid" in metrics:
            blurred, _ = look(_blur(real.image))
            results["kid"] = {"value": distances.kernel_distance(drawn, of_real)}
            results["kid_blurred"] = {"value": distances.kernel_distance(blurred, of_real)}
    if "r_precision" in metrics and matcher is not None:
        results |= _r_precision(matcher, captions, real, pictures, chosen, seed=protocol.seed)
    return results


def captions_are_shared(real: Examples) -> bool:
    """Whether two images have the same first caption: diversity is a share of the spread of such.

    Where none have, it is a share of the spread of all real images.
    """
    first = [texts[0] for texts in real.captions]
    return len(set(first)) < len(first)


def _look(classifier: Classifier | None, matcher: Matcher | None) -> Look:
    if classifier is not None:
        return classifier
    assert matcher is not None  # `supported` has seen to it.
    encode = matcher.encode_images
    return lambda images: (encode(images), None)


def _r_precision(
    matcher: Matcher,
    captions: Captions,
    real: Examples,
    pictures: np.ndarray,
    chosen: np.ndarray,
    *,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Of pictures with their captions, of the real images of those, and of wrong captions."""
    sentences = matcher.encode_captions(captions.texts)
    drawn = matcher.encode_images(pictures)
    wrong = np.random.default_rng(seed).permutation(chosen)
    results = {}
    for suffix, codes, own in (
        ("", drawn, chosen),
        ("_real", matcher.encode_images(real.image[captions.image[chosen]]), chosen),
        ("_shuffled", drawn, wrong),
    ):
        found = text_image.retrieval(
            codes, sentences, own=own, groups=captions.group, ranks=text_image.RANKS, seed=seed
        )
        results[f"r_precision{suffix}"] = found["r1"]
        results[f"r_precision_at_5{suffix}"] = found["r5"]
    return results


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
