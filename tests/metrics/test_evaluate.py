"""Every metric detects planted failures, for every memory size."""

import pathlib
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from tfgan2.adversarial.sampler import Samples
from tfgan2.data import pipeline
from tfgan2.metrics import evaluate, moments
from tfgan2.metrics.catalogue import METRICS
from tfgan2.metrics.extraction import EvaluationModels
from tfgan2.metrics.features import ExtractorOutputs
from tfgan2.metrics.protocol import Protocol, supported
from tfgan2.program import UsageError

CLASSES, PER_CLASS, SIDE = 4, 60, 8
TEXTS = tuple(f"class {label}" for label in range(CLASSES))
MEASURED = (
    *("kid", "fid", "inception_score", "precision", "recall", "density", "coverage"),
    *("diversity", "r_precision", "clip_score"),
)
SAMPLES = 120


def picture(label: int, generator: np.random.Generator) -> np.ndarray:
    """An image of noise with a bright stripe, whose position encodes the class."""
    pixels = generator.integers(0, 60, (SIDE, SIDE, 1))
    pixels[2 * label : 2 * label + 2] += generator.integers(100, 190)
    return pixels.astype(np.uint8)


@pytest.fixture(scope="module")
def real() -> pipeline.Examples:
    generator = np.random.default_rng(0)
    labels = np.arange(CLASSES * PER_CLASS) % CLASSES
    pixels = np.stack([picture(label, generator) for label in labels])
    return pipeline.Examples(pixels, [(TEXTS[label],) for label in labels], labels)


class Stripes:
    """Extractor and matcher: image features are stripe brightnesses, caption codes are classes."""

    def __call__(self, images: np.ndarray) -> ExtractorOutputs:
        features = images.reshape(len(images), CLASSES, -1).mean(axis=2) / 40.0
        odds = np.exp(4.0 * features)
        return ExtractorOutputs(features, odds / odds.sum(axis=1, keepdims=True))

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        features = self(images).features
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    def encode_captions(self, captions: Sequence[str]) -> np.ndarray:
        return np.eye(CLASSES)[[TEXTS.index(text) for text in captions]]


JUDGES = EvaluationModels(
    extractor=Stripes(), scores_classes=True, matcher=Stripes(), clip=Stripes()
)


def good(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
    rows = zip(captions, seeds, strict=True)
    pixels = [picture(TEXTS.index(text), np.random.default_rng(1000 + seed)) for text, seed in rows]
    return Samples(np.stack(pixels))


def repeated(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
    return good([TEXTS[0]] * len(captions), np.zeros_like(seeds), truncation)


def shuffled(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
    others = [TEXTS[(TEXTS.index(text) + 1) % CLASSES] for text in captions]
    return good(others, seeds, truncation)


def halved(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
    return good([TEXTS[TEXTS.index(text) % 2] for text in captions], seeds, truncation)


def noisy(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
    generators = [np.random.default_rng(seed) for seed in seeds]
    return Samples(np.stack([it.integers(0, 256, (SIDE, SIDE, 1)) for it in generators]))


def measure(
    sample: evaluate.Sample,
    real: pipeline.Examples,
    *,
    metrics: Sequence[str] = MEASURED,
    models: EvaluationModels = JUDGES,
    memory_mib: int = 64,
    other_split: pipeline.Examples | None = None,
    real_is_train: bool = False,
    **options: int,
) -> dict[str, dict[str, float]]:
    return evaluate.evaluate(
        sample,
        real,
        models,
        metrics=metrics,
        protocol=Protocol(samples=SAMPLES, seed=1, truncation=0.0, **options),
        other_split=other_split,
        real_is_train=real_is_train,
        memory_mib=memory_mib,
    )


@pytest.fixture(scope="module")
def values(real: pipeline.Examples) -> dict[str, dict[str, float]]:
    failures = (good, repeated, shuffled, halved, noisy)
    return {
        it.__name__: {name: found["value"] for name, found in measure(it, real).items()}
        for it in failures
    }


def test_good_samples_have_good_values(values: dict[str, dict[str, float]]) -> None:
    found = values["good"]
    assert abs(found["kid"]) < 0.1 * values["halved"]["kid"]
    assert found["fid"] < 0.1
    assert found["inception_score"] == pytest.approx(found["inception_score_real"], rel=0.1)
    for name in ("precision", "recall", "coverage"):
        assert found[name] > 0.8, name
    assert found["density"] == pytest.approx(1.0, abs=0.2)
    assert found["diversity"] == pytest.approx(1.0, abs=0.4)
    assert found["r_precision"] == 1.0
    assert found["clip_score"] == pytest.approx(found["clip_score_real"], rel=0.05)


@pytest.mark.parametrize(
    ("failure", "higher", "lower", "unchanged"),
    [
        (
            "repeated",
            ("kid", "fid"),
            ("inception_score", "recall", "coverage", "diversity", "r_precision", "clip_score"),
            ("precision",),
        ),
        (
            "shuffled",
            (),
            ("r_precision", "clip_score"),
            ("kid", "fid", "inception_score", "precision", "recall", "density", "coverage"),
        ),
        (
            "halved",
            ("kid", "fid"),
            ("inception_score", "recall", "coverage", "r_precision", "clip_score"),
            ("precision",),
        ),
        (
            "noisy",
            ("kid", "fid"),
            ("inception_score", "precision", "density", "coverage", "clip_score"),
            (),
        ),
    ],
)
def test_metrics_detect_planted_failures(
    failure: str,
    higher: Sequence[str],
    lower: Sequence[str],
    unchanged: Sequence[str],
    values: dict[str, dict[str, float]],
) -> None:
    good_values, found = values["good"], values[failure]
    for name in higher:
        assert found[name] > good_values[name] + 0.5, name
    for name in lower:
        assert found[name] < 0.8 * good_values[name], name
    for name in unchanged:
        assert found[name] == pytest.approx(good_values[name], abs=0.1), name


def test_confidence_intervals_contain_their_values(real: pipeline.Examples) -> None:
    found = measure(good, real)
    with_interval = {name for name, result in found.items() if "low" in result}
    assert {"kid", "precision", "recall", "density", "coverage", "clip_score"} <= with_interval
    assert "fid" not in with_interval
    for name in with_interval:
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"], name


def test_values_are_deterministic_and_do_not_depend_on_memory(real: pipeline.Examples) -> None:
    first = measure(good, real)
    assert measure(good, real) == first
    in_files = measure(good, real, memory_mib=1)
    for name, result in first.items():
        for part, value in result.items():
            assert in_files[name][part] == pytest.approx(value, rel=1e-9), (name, part)


def test_value_of_a_metric_does_not_depend_on_other_metrics(real: pipeline.Examples) -> None:
    everything = measure(good, real)
    for name in MEASURED:
        assert measure(good, real, metrics=[name])[name] == everything[name]


def test_evaluation_keeps_no_images(real: pipeline.Examples) -> None:
    drawn: list[weakref.ref] = []
    most = 0

    def sample(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        nonlocal most
        pictures = good(captions, seeds, truncation).images
        drawn.append(weakref.ref(pictures))
        most = max(most, sum(picture() is not None for picture in drawn))
        return Samples(pictures)

    measure(sample, real, metrics=["fid"])
    assert len(drawn) == 3
    assert most == 2  # The previous batch may live until the next replaces it.


def test_statistics_replace_the_real_images(
    real: pipeline.Examples, tmp_path: pathlib.Path
) -> None:
    moments.write(tmp_path / "real.npz", evaluate.statistics(real, JUDGES))
    shared = moments.read(tmp_path / "real.npz", flag="--statistics")
    models = EvaluationModels(extractor=Stripes(), statistics=shared)
    few = pipeline.Examples(real.image[:4], real.captions[:4], real.label[:4])
    found = measure(good, few, metrics=["fid"], models=models)
    assert found["fid"] == measure(good, real, metrics=["fid"])["fid"]
    other = moments.Moments(np.zeros(3), np.eye(3))
    models = EvaluationModels(extractor=Stripes(), statistics=other)
    with pytest.raises(UsageError, match="--statistics: must be of 4 dimensions, as the features"):
        measure(good, real, metrics=["fid"], models=models)


def test_kid_of_subsets_reports_their_deviation(real: pipeline.Examples) -> None:
    found = measure(good, real, metrics=["kid"], kid_subsets=10, kid_subset_size=50)["kid"]
    whole = measure(good, real, metrics=["kid"])["kid"]
    assert found["value"] == pytest.approx(whole["value"], abs=4 * found["deviation"])
    assert set(whole) == {"value", "low", "high", "standard_error"}


def test_samples_have_consecutive_seeds_and_the_truncation_of_the_protocol(
    real: pipeline.Examples,
) -> None:
    drawn: list[tuple[int, float]] = []

    def recorded(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        drawn.extend((seed, truncation) for seed in seeds.tolist())
        return good(captions, seeds, truncation)

    protocol = Protocol(samples=SAMPLES, seed=7, truncation=0.5)
    evaluate.evaluate(recorded, real, JUDGES, metrics=["kid"], protocol=protocol)
    assert drawn == [(seed, 0.5) for seed in range(7, 7 + SAMPLES)]


@pytest.mark.parametrize("real_is_train", [True, False])
def test_copies_of_train_images_are_memorized(real: pipeline.Examples, real_is_train: bool) -> None:
    generator = np.random.default_rng(5)
    labels = np.arange(40) % CLASSES
    pixels = np.stack([picture(label, generator) for label in labels])
    other = pipeline.Examples(pixels, [(TEXTS[label],) for label in labels], labels)
    train = real if real_is_train else other

    def copied(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(train.image[seeds % len(train.label)])

    splits = {"other_split": other, "real_is_train": real_is_train}
    found = measure(copied, real, metrics=["memorization"], **splits)["memorization"]
    assert found["value"] == 1.0
    assert measure(good, real, metrics=["memorization"], **splits)["memorization"]["value"] < 0.8
    with pytest.raises(UsageError, match=r"--metrics: memorization needs .*two images in each"):
        measure(good, real, metrics=["memorization"])


@pytest.mark.parametrize(
    ("metric", "options", "rule"),
    [
        ("precision", {"nearest": 120}, "--nearest: must be below the 120 images"),
        ("kid", {"kid_subsets": 1, "kid_subset_size": 121}, "--kid_subset_size: must be at most"),
    ],
)
def test_options_beyond_the_set_size_are_refused(
    metric: str, options: dict[str, int], rule: str, real: pipeline.Examples
) -> None:
    with pytest.raises(UsageError, match=rule):
        measure(good, real, metrics=[metric], **options)


def test_supported_metrics_follow_from_the_given_networks(real: pipeline.Examples) -> None:
    assert supported(real, EvaluationModels()) == ()
    assert supported(real, EvaluationModels(clip=Stripes())) == ("clip_score",)
    assert "inception_score" not in supported(real, EvaluationModels(extractor=Stripes()))
    assert set(supported(real, JUDGES)) == set(METRICS) - {
        *("agreement", "confidence", "class_entropy", "text_entropy", "memorization")
    }
    assert "memorization" in supported(real, JUDGES, other_split=real)
    unconditional = supported(real, JUDGES, reads=None)
    assert not {"clip_score", "r_precision", "diversity"} & set(unconditional)
    with pytest.raises(UsageError, match="--metrics: clip_score needs a model that reads captions"):
        measure(good, real, metrics=["clip_score"], models=EvaluationModels())
