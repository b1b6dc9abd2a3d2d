"""Runs metrics on any sampler against a data set; each result carries its protocol."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfgan2.adversarial.sampler import Drawn
from tfgan2.data.pipeline import Examples
from tfgan2.metrics import distances, text_image
from tfgan2.metrics.features import Classifier, Seen
from tfgan2.models.matcher import Matcher
from tfgan2.program import UsageError, progress

NEEDS = {
    "agreement": "labels, and a model that reads or writes",
    "confidence": "labels, and a model without captions",
    "class_entropy": "labels, and a model without captions",
    "text_entropy": "labels, and a model that writes",
    "diversity": "two images, a model that reads or writes, and labels or a matching model",
    "kid": "two images, and labels or a matching model",
    "r_precision": "a model that reads captions, and a matching model (--matching)",
}
METRICS = tuple(NEEDS)
BATCH_SIZE = 50
BLURRED_SIDE_PX = 8

# From captions (N strings), seeds int64 [N] and a truncation to N pictures, and texts if any.
Sample = Callable[[Sequence[str], np.ndarray, float], Drawn]
# From images uint8 [N, S, S, C] to their features, and of a classifier labels.
Look = Callable[[np.ndarray], Seen]


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


def supported(
    real: Examples, *, labelled: bool, matching: bool, reads: str | None = "captions"
) -> tuple[str, ...]:
    """Names of the metrics that can be had.

    Args:
      real: images to be held against.
      labelled: whether there are labels.
      matching: whether there is a matching model.
      reads: what the model reads: `captions`, `texts` that it also writes, or None.
    """
    featured = len(real.label) > 1 and (labelled or matching)
    allowed = {
        "agreement": labelled and reads is not None,
        "confidence": labelled and reads is None,
        "class_entropy": labelled and reads is None,
        "text_entropy": labelled and reads == "texts",
        "diversity": featured and (reads == "captions" or (reads == "texts" and labelled)),
        "kid": featured,
        "r_precision": matching and reads == "captions",
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
    reads: str | None = "captions",
    text_labels: Mapping[str, int] | None = None,
) -> dict[str, dict[str, Any]]:
    """Draws samples and measures them.

    Captions of real images are taken in turn, in an order that the seed gives: all of them, or as
    many as leave enough pictures for each. A model that writes texts gets empty captions. Sample
    number i has the seed `protocol.seed` + i.

    Args:
      sample: draws pictures.
      real: images to hold them against.
      classifier: gives labels and features; None for data without labels.
      matcher: gives features where there is no classifier, and finds captions.
      metrics: names out of `METRICS`.
      protocol: how many samples of what.
      reads: what the model reads: `captions`, `texts` that it also writes, or None.
      text_labels: labels of the texts that a model may write.

    Returns:
      By name of the metric, value and, where it makes sense, low and high. `kid` comes with
      `kid_blurred`: that of real images blurred to 8x8. `r_precision` (the first of 100) and
      `r_precision_at_5` come with those of the real images, and of captions in another order;
      `agreement` of a model that writes with `agreement_given`, of pictures of given texts.

    Raises:
      UsageError: data set or model do not allow a metric.
    """
    labelled = classifier is not None and real.label.min() >= 0
    allowed = supported(real, labelled=labelled, matching=matcher is not None, reads=reads)
    for name in metrics:
        if name not in allowed:
            raise UsageError("--metrics", f"{name} needs {NEEDS[name]}", "none")
    captions = numbered(real.captions, real.label)
    asked = max(1, min(len(captions.texts), protocol.samples // protocol.pictures_per_caption))
    order = np.random.default_rng(protocol.seed).permutation(len(captions.texts))[:asked]
    chosen = order[np.arange(protocol.samples) % asked]
    texts = [captions.texts[row] if reads == "captions" else "" for row in chosen]
    drawn = _draw(sample, texts, protocol)
    # By caption, where there are captions; else by what was written.
    groups, real_groups, labels = chosen, captions.first, captions.label[chosen]
    if drawn.texts is not None:
        groups = labels = _labels(drawn.texts, text_labels or {})
        real_groups = real.label
    elif not captions_are_shared(real):
        real_groups = np.zeros_like(captions.first)

    results: dict[str, dict[str, Any]] = {}
    if set(metrics) - {"r_precision"}:
        look = _look(classifier, matcher)
        seen = look(drawn.images)
        if "agreement" in metrics and seen.labels is not None:
            results["agreement"] = text_image.agreement(seen.labels, labels)
        if "agreement" in metrics and drawn.texts is not None and text_labels:
            results["agreement_given"] = _agreement_given(sample, look, text_labels, protocol)
        if "text_entropy" in metrics:
            results["text_entropy"] = text_image.entropy(labels, classes=_classes(real))
        if "confidence" in metrics and seen.confidences is not None:
            results["confidence"] = text_image.confidence(seen.confidences)
        if "class_entropy" in metrics and seen.labels is not None:
            results["class_entropy"] = text_image.entropy(seen.labels, classes=_classes(real))
    if "diversity" in metrics or "kid" in metrics:
        of_real = look(real.image).features
        if "diversity" in metrics:
            results["diversity"] = text_image.diversity(
                seen.features,
                groups,
                real_features=of_real,
                real_captions=real_groups,
                seed=protocol.seed,
            )
        if "kid" in metrics:
            blurred = look(_blur(real.image)).features
            results["kid"] = _distance(seen.features, of_real)
            results["kid_blurred"] = _distance(blurred, of_real)
    if "r_precision" in metrics and matcher is not None:
        results |= _r_precision(matcher, captions, real, drawn.images, chosen, seed=protocol.seed)
    return results


def _distance(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Kernel distance, with its normal interval."""
    found = distances.kernel_distance(one, other)
    half = text_image.NORMAL_95 * found.error
    return {"value": found.value, "low": found.value - half, "high": found.value + half}


def _labels(texts: Sequence[str], text_labels: Mapping[str, int]) -> np.ndarray:
    """Labels of texts, int64 [N]; -1 for one that no label has."""
    return np.array([text_labels.get(text, -1) for text in texts])


def _classes(real: Examples) -> int:
    return len(np.unique(real.label))


def _agreement_given(
    sample: Sample, look: Look, text_labels: Mapping[str, int], protocol: Protocol
) -> dict[str, float]:
    """Agreement of pictures with texts that were given, in turn."""
    texts = [list(text_labels)[at % len(text_labels)] for at in range(protocol.samples)]
    named = look(_draw(sample, texts, protocol).images).labels
    assert named is not None  # There are labels, so there is a classifier.
    return text_image.agreement(named, _labels(texts, text_labels))


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
    return lambda images: Seen(encode(images))


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


def _draw(sample: Sample, captions: list[str], protocol: Protocol) -> Drawn:
    seeds = protocol.seed + np.arange(len(captions), dtype=np.int64)
    starts = range(0, len(captions), BATCH_SIZE)
    parts = [
        sample(
            captions[start : start + BATCH_SIZE],
            seeds[start : start + BATCH_SIZE],
            protocol.truncation,
        )
        for start in progress(starts, total=len(starts), description="draw", unit="batches")
    ]
    texts = [text for part in parts for text in part.texts or ()]
    return Drawn(np.concatenate([part.images for part in parts]), texts or None)


def _blur(images: np.ndarray) -> np.ndarray:
    """Means over an 8x8 grid, enlarged again by repetition."""
    side = images.shape[1]
    starts = np.arange(BLURRED_SIDE_PX) * side // BLURRED_SIDE_PX
    sizes = np.diff([*starts, side])
    sums = np.add.reduceat(np.add.reduceat(images, starts, 1, np.float64), starts, 2)
    means = np.rint(sums / np.outer(sizes, sizes)[:, :, np.newaxis]).astype(np.uint8)
    return means.repeat(sizes, axis=1).repeat(sizes, axis=2)
