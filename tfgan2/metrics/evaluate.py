"""Computes metrics of any sampler against a data set."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfgan2.adversarial.sampler import Samples
from tfgan2.metrics import comparing_classes, comparing_features, moments, text_image
from tfgan2.metrics.catalogue import OF_CLASSES
from tfgan2.metrics.extraction import (
    BATCH_SIZE,
    BLURRED,
    CLASSES,
    CLIP_CODES,
    CODES,
    FEATURES,
    Arrays,
    EvaluationModels,
    collect,
)
from tfgan2.metrics.memorization import memorization
from tfgan2.metrics.moments import Moments
from tfgan2.metrics.protocol import Protocol, check, wanted, wanted_of_real
from tfgan2.metrics.real_images import Captions, RealImages, captions_are_shared, distinct_captions

# Number of feature arrays in memory at once; a block of distances needs the memory of two.
ARRAYS_IN_MEMORY = 6

# Maps captions (N strings), seeds int64 [N] and a truncation to N images, and texts if any.
Sample = Callable[[Sequence[str], np.ndarray, float], Samples]


def evaluate(
    sample: Sample,
    real: RealImages,
    models: EvaluationModels,
    *,
    metrics: Sequence[str],
    protocol: Protocol,
    reads: str | None = "captions",
    text_labels: Mapping[str, int] | None = None,
    other_split: RealImages | None = None,
    real_is_train: bool = False,
    memory_mib: int = 1024,
) -> dict[str, dict[str, Any]]:
    """Draws samples and computes their metrics.

    Samples use distinct captions of the real images in rotation, in an order that depends on the
    seed: all captions, or as many as leave enough images per caption. A joint model gets empty
    captions. Sample number i has the seed `protocol.seed` + i.

    Args:
      sample: generates images.
      real: real images to compare with.
      models: feature extractors and other models.
      metrics: names out of `METRICS`.
      protocol: number of samples, seeds and other counts.
      reads: conditioning input: `captions`; `texts`, which a joint model also writes; or None.
      text_labels: labels of the texts that a joint model may write.
      other_split: real images of the other split, for `memorization`.
      real_is_train: whether `real` is the train split, and `other_split` the held-out one.
      memory_mib: approximate memory of features and blocks of distances, in MiB.

    Returns:
      By metric name, `value` and, if defined, `low` and `high`. Reference values have the name of
      the metric and an end: `_real` for real images, `_blurred` for real images blurred to 8x8,
      `_shuffled` for permuted captions. `clip_score` comes with `clip_score_of_mean`,
      `r_precision` (rank 1 of 100) with `r_precision_at_5`, and `agreement` of a joint model with
      `agreement_given`, the agreement of images of given texts. A value that the images do not
      define is left out: the diversity if no caption has two different images.

    Raises:
      UsageError: the data set, the model or the protocol does not allow a metric.
    """
    check(metrics, real, models, protocol, reads=reads, other_split=other_split)
    # Draw the samples, and extract features of generated and real images.
    captions = distinct_captions(real.captions, real.label)
    count = max(1, min(len(captions.texts), protocol.samples // protocol.pictures_per_caption))
    order = np.random.default_rng(protocol.seed).permutation(len(captions.texts))[:count]
    chosen = order[np.arange(protocol.samples) % count]
    texts = [captions.texts[row] if reads == "captions" else "" for row in chosen]
    written: list[str] = []
    memory_mib //= ARRAYS_IN_MEMORY
    generated = collect(
        _pictures(sample, texts, protocol, written),
        functools.partial(models.extract, wanted=wanted(metrics)),
        count=protocol.samples,
        description="draw",
        memory_mib=memory_mib,
    )
    of_real: Arrays = {}
    if names := wanted_of_real(metrics, models):
        of_real = _extract_real(real, models, names, memory_mib=memory_mib)
    # Group the images by caption, or by the text that a joint model wrote.
    groups, real_groups, labels = chosen, captions.first, captions.label[chosen]
    if written:
        groups = labels = _labels(written, text_labels or {})
        real_groups = real.label
    elif not captions_are_shared(real):
        real_groups = np.zeros_like(captions.first)

    # Compute the metrics.
    results: dict[str, dict[str, Any]] = {}
    if not set(OF_CLASSES).isdisjoint(metrics):
        results |= comparing_classes.compare(
            generated,
            of_real,
            metrics,
            labels=labels,
            real_labels=real.label,
            seed=protocol.seed,
        )
    if "agreement" in metrics and written and text_labels:
        results["agreement_given"] = _agreement_given(sample, models, text_labels, protocol)
    if "text_entropy" in metrics:
        results["text_entropy"] = text_image.entropy(labels, classes=len(np.unique(real.label)))
    if "diversity" in metrics:
        diversity = functools.partial(
            text_image.diversity,
            real_features=of_real[FEATURES],
            real_captions=real_groups,
            seed=protocol.seed,
        )
        results["diversity"] = diversity(generated[FEATURES], groups)
        blurred = diversity(of_real[BLURRED + FEATURES], real_groups)
        results["diversity_blurred"] = blurred
    results |= comparing_features.compare(
        generated, of_real, metrics, protocol, models.statistics, memory_mib=memory_mib
    )
    if "memorization" in metrics and other_split is not None:
        of_other = _extract_real(other_split, models, {FEATURES}, memory_mib=memory_mib)
        splits = [of_real[FEATURES], of_other[FEATURES]]
        train, held_out = splits if real_is_train else splits[::-1]
        results["memorization"] = memorization(
            generated[FEATURES], train=train, held_out=held_out, memory_mib=memory_mib
        )
    if "r_precision" in metrics and models.matcher is not None:
        sentences = models.matcher.encode_captions(captions.texts)
        results |= _r_precision(
            sentences, captions, generated[CODES], of_real, chosen, seed=protocol.seed
        )
    if "clip_score" in metrics and models.clip is not None:
        sentences = models.clip.encode_captions(captions.texts)
        codes = generated[CLIP_CODES], of_real[CLIP_CODES]
        results |= _clip_score(sentences, captions, *codes, chosen, seed=protocol.seed)
    return {name: found for name, found in results.items() if _is_finite(found)}


def _is_finite(result: Mapping[str, Any]) -> bool:
    return bool(result) and all(np.isfinite(value) for value in result.values())


def statistics(real: RealImages, models: EvaluationModels, *, memory_mib: int = 1024) -> Moments:
    """Computes mean and covariance of the features of real images."""
    memory_mib //= ARRAYS_IN_MEMORY
    arrays = _extract_real(real, models, {FEATURES}, memory_mib=memory_mib)
    return moments.moments(arrays[FEATURES])


def _extract_real(
    real: RealImages, models: EvaluationModels, names: Collection[str], *, memory_mib: int
) -> Arrays:
    return collect(
        real.batches(BATCH_SIZE),
        functools.partial(models.extract, wanted=names),
        count=len(real.label),
        description="real images",
        memory_mib=memory_mib,
    )


def _pictures(
    sample: Sample, texts: list[str], protocol: Protocol, written: list[str]
) -> Iterator[np.ndarray]:
    """Draws batches of images; appends the texts of a joint model to `written`."""
    seeds = protocol.seed + np.arange(len(texts), dtype=np.int64)
    for start in range(0, len(texts), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        samples = sample(texts[rows], seeds[rows], protocol.truncation)
        written.extend(samples.texts or ())
        yield samples.images


def _labels(texts: Sequence[str], text_labels: Mapping[str, int]) -> np.ndarray:
    """Returns the labels of texts, int64 [N]; -1 for an unknown text."""
    return np.array([text_labels.get(text, -1) for text in texts])


def _agreement_given(
    sample: Sample, models: EvaluationModels, text_labels: Mapping[str, int], protocol: Protocol
) -> dict[str, float]:
    """Computes the agreement of images with given texts, in rotation."""
    texts = [list(text_labels)[at % len(text_labels)] for at in range(protocol.samples)]
    arrays = collect(
        _pictures(sample, texts, protocol, []),
        functools.partial(models.extract, wanted={CLASSES}),
        count=protocol.samples,
        description="draw given texts",
        memory_mib=1,
    )
    return text_image.agreement(arrays[CLASSES].argmax(axis=1), _labels(texts, text_labels))


def _r_precision(
    sentences: np.ndarray,
    captions: Captions,
    generated: np.ndarray,
    of_real: Arrays,
    chosen: np.ndarray,
    *,
    seed: int,
) -> dict[str, dict[str, float]]:
    """R-precision of generated, real and blurred real images, and with permuted captions."""
    results = {}
    pairs = _pairs(captions, generated, of_real[CODES], chosen, seed=seed)
    pairs.append(("_blurred", of_real[BLURRED + CODES][captions.image[chosen]], chosen))
    for suffix, codes, own in pairs:
        found = text_image.retrieval(
            codes, sentences, own=own, groups=captions.group, ranks=text_image.RANKS, seed=seed
        )
        results[f"r_precision{suffix}"] = found["r1"]
        results[f"r_precision_at_5{suffix}"] = found["r5"]
    return results


def _clip_score(
    sentences: np.ndarray,
    captions: Captions,
    generated: np.ndarray,
    of_real: np.ndarray,
    chosen: np.ndarray,
    *,
    seed: int,
) -> dict[str, dict[str, float]]:
    """CLIP scores of generated images, of real images, and with permuted captions."""
    results = {}
    for suffix, codes, own in _pairs(captions, generated, of_real, chosen, seed=seed):
        results[f"clip_score{suffix}"] = text_image.clip_score(codes, sentences[own])
        results[f"clip_score_of_mean{suffix}"] = text_image.clip_score_of_mean(
            codes, sentences[own]
        )
    return results


def _pairs(
    captions: Captions, generated: np.ndarray, of_real: np.ndarray, chosen: np.ndarray, *, seed: int
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Returns tuples of a suffix, codes of images, and indices of their captions."""
    permuted = np.random.default_rng(seed).permutation(chosen)
    return [
        ("", generated, chosen),
        ("_real", of_real[captions.image[chosen]], chosen),
        ("_shuffled", generated, permuted),
    ]
