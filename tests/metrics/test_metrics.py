"""Metrics: exact on known inputs, and lower or higher on planted failures."""

import pathlib
from typing import Any

import numpy as np
import pytest

from tfgan2.adversarial.sampler import Samples
from tfgan2.data import pipeline, records
from tfgan2.evaluation import extractors
from tfgan2.metrics import evaluate, extraction, text_image
from tfgan2.metrics.catalogue import LIGHT, REFERENCES
from tfgan2.metrics.extraction import EvaluationModels
from tfgan2.metrics.features import Classifier
from tfgan2.metrics.protocol import Protocol, supported
from tfgan2.program import UsageError

VIEW = pipeline.View(32)


def test_agreement_is_a_fraction_with_wilson_interval() -> None:
    predicted, requested = np.array([1] * 90 + [2] * 10), np.ones(100, int)
    result = text_image.agreement(predicted, requested)
    assert result["value"] == 0.9
    assert result["low"] == pytest.approx(0.8256, abs=1e-4)
    assert result["high"] == pytest.approx(0.9448, abs=1e-4)


def test_clip_scores_differ_in_what_counts_as_0() -> None:
    sentences = np.array([[1.0, 0.0]] * 3)

    def values(*cosines: float) -> list[float]:
        images = np.array([[cosine, np.sqrt(1 - cosine**2)] for cosine in cosines])
        scores = (text_image.clip_score, text_image.clip_score_of_mean)
        return [score(images, sentences)["value"] for score in scores]

    assert values(1.0, 0.0, 0.8) == pytest.approx([60.0, 60.0])
    assert values(1.0, -0.6, 0.8) == pytest.approx([60.0, 40.0])
    assert values(0.3, -0.6, -0.9) == pytest.approx([10.0, 0.0])


def test_diversity_is_0_for_copies_and_1_for_the_real_deviation() -> None:
    generator = np.random.default_rng(0)
    captions = np.repeat(np.arange(20), 200)
    centres = generator.normal(size=(20, 5))[captions] * 10
    real = centres + generator.normal(size=(4000, 5))
    alike = centres + generator.normal(size=(4000, 5))
    options = {"real_features": real, "real_captions": captions, "seed": 0}
    assert text_image.diversity(centres, captions, **options)["value"] == pytest.approx(
        0.0, abs=1e-9
    )
    result = text_image.diversity(alike, captions, **options)
    assert result["value"] == pytest.approx(1.0, abs=0.03)
    assert result["low"] < result["value"] < result["high"]


def test_a_value_that_the_images_do_not_define_is_left_out() -> None:
    spread = np.random.default_rng(0).normal(size=(6, 5))
    options = {"real_captions": np.zeros(6, np.int64), "seed": 0}
    without_repeats = text_image.diversity(spread, np.arange(6), real_features=spread, **options)
    same_real = text_image.diversity(
        spread, np.zeros(6, np.int64), real_features=np.ones((6, 5)), **options
    )
    one_class = text_image.entropy(np.zeros(6, np.int64), classes=1)
    assert without_repeats == same_real == one_class == {}


def test_classifier_is_cached_and_gives_the_same_features(
    classifier: Classifier, data_dir: pathlib.Path, manifest: records.Manifest
) -> None:
    assert len(list(data_dir.glob("classifier-32of32px-*.npz"))) == 1
    again = extractors.domain_classifier(data_dir, manifest, view=VIEW)
    images = pipeline.examples(data_dir, manifest, split="test", view=VIEW).image
    np.testing.assert_array_equal(classifier(images)[0], again(images)[0])


@pytest.fixture(scope="module")
def real(data_dir: pathlib.Path, manifest: records.Manifest) -> pipeline.Examples:
    train = pipeline.examples(data_dir, manifest, split="train", view=VIEW)
    order = np.argsort(train.label, kind="stable")
    texts = [train.captions[row] for row in order]
    return pipeline.Examples(train.image[order], texts, train.label[order])


def measure(
    sample: evaluate.Sample, real: pipeline.Examples, classifier: Classifier, *, samples: int = 700
) -> dict[str, float]:
    results = evaluate.evaluate(
        sample,
        real,
        EvaluationModels(classifier),
        metrics=["agreement", "diversity", "kid"],
        protocol=Protocol(samples=samples, seed=1, truncation=0.0),
    )
    return {name: result["value"] for name, result in results.items()}


def test_metrics_of_captioned_samples_detect_failures(
    real: pipeline.Examples, classifier: Classifier
) -> None:
    by_caption = {
        text: np.flatnonzero([text in texts for texts in real.captions])
        for texts in real.captions
        for text in texts
    }

    def perfect(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        rows = [
            np.random.default_rng(seed).choice(by_caption[caption])
            for caption, seed in zip(captions, seeds, strict=True)
        ]
        return Samples(real.image[rows])

    def collapsed(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        return perfect(captions, np.zeros_like(seeds), truncation)

    def ignores_caption(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(real.image[seeds * 31 % len(real.image)])

    good = measure(perfect, real, classifier)
    assert good["agreement"] > 0.9
    assert 0.5 < good["diversity"] < 1.5
    assert good["kid"] < good["kid_blurred"]
    assert measure(collapsed, real, classifier)["diversity"] == pytest.approx(0.0, abs=1e-6)
    assert measure(collapsed, real, classifier)["agreement"] > 0.9
    assert measure(ignores_caption, real, classifier)["agreement"] < 0.3


@pytest.mark.parametrize("samples", [2, 25, 101])
def test_few_samples_use_few_captions(
    samples: int, real: pipeline.Examples, classifier: Classifier
) -> None:
    requested: list[str] = []

    def sample(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        requested.extend(captions)
        return Samples(real.image[seeds % len(real.image)])

    results = measure(sample, real, classifier, samples=samples)
    assert len(requested) == samples
    assert len(set(requested)) == max(1, samples // 10)
    assert np.isfinite(list(results.values())).all()


def test_metrics_that_the_data_do_not_support_are_refused(
    real: pipeline.Examples, classifier: Classifier
) -> None:
    single = pipeline.Examples(real.image[:1], real.captions[:1], real.label[:1])
    with pytest.raises(UsageError, match="--metrics: diversity needs two images"):
        measure(lambda captions, *_: Samples(real.image[: len(captions)]), single, classifier)
    unlabelled = pipeline.Examples(real.image, real.captions, np.full(len(real.image), -1))
    with pytest.raises(UsageError, match="--metrics: agreement needs labels"):
        measure(lambda captions, *_: Samples(real.image[: len(captions)]), unlabelled, classifier)


def measure_uncaptioned(
    sample: evaluate.Sample, real: pipeline.Examples, classifier: Classifier, **options: Any
) -> dict[str, float]:
    allowed = supported(real, EvaluationModels(classifier), reads=options["reads"])
    names = [name for name in allowed if name in LIGHT]
    results = evaluate.evaluate(
        sample,
        real,
        EvaluationModels(classifier),
        metrics=names,
        protocol=Protocol(samples=300, seed=1, truncation=0.0),
        **options,
    )
    return {name: result["value"] for name, result in results.items()}


def test_metrics_of_unconditional_samples_detect_failures(
    real: pipeline.Examples, classifier: Classifier
) -> None:
    def perfect(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        assert set(captions) == {""}
        return Samples(real.image[seeds * 31 % len(real.image)])

    def collapsed(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(real.image[np.zeros_like(seeds)])

    def unsure(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        mixed = real.image[seeds % 140] // 2 + real.image[(seeds + 70) % 140] // 2
        return Samples(mixed)

    good = measure_uncaptioned(perfect, real, classifier, reads=None)
    of_classes = {
        f"{name}{end}" for name in ("confidence", "class_entropy") for end in ("", *REFERENCES)
    }
    assert set(good) == (of_classes | {"kid", "kid_blurred"}) - {
        "confidence_shuffled",
        "class_entropy_shuffled",
    }
    assert good["confidence"] > 0.9
    assert good["class_entropy"] > 0.99
    poor = measure_uncaptioned(collapsed, real, classifier, reads=None)
    assert poor["class_entropy"] == 0.0
    assert poor["kid"] > good["kid"]
    doubtful = measure_uncaptioned(unsure, real, classifier, reads=None)
    assert doubtful["confidence"] < good["confidence"]


def test_metrics_of_generated_texts_detect_failures(
    real: pipeline.Examples, classifier: Classifier
) -> None:
    texts = {str(label): label for label in range(10)}
    rows = {text: np.flatnonzero(real.label == label) for text, label in texts.items()}

    def perfect(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        written = [text or str(seed % 10) for text, seed in zip(captions, seeds, strict=True)]
        chosen = [rows[text][seed % 14] for text, seed in zip(written, seeds, strict=True)]
        return Samples(real.image[chosen], written)

    def one_word(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(perfect(captions, seeds, truncation).images, ["7"] * len(seeds))

    def wordless(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(perfect(captions, seeds, truncation).images, ["7 7"] * len(seeds))

    def ignores_caption(captions: list[str], seeds: np.ndarray, truncation: float) -> Samples:
        return perfect([""] * len(seeds), seeds // 10, truncation)

    options = {"reads": "texts", "text_labels": texts}
    good = measure_uncaptioned(perfect, real, classifier, **options)
    assert good["agreement"] > 0.9
    assert good["agreement_given"] > 0.9
    assert good["text_entropy"] > 0.99
    assert 0.5 < good["diversity"] < 1.5
    alike = measure_uncaptioned(one_word, real, classifier, **options)
    assert alike["text_entropy"] == 0.0
    assert alike["agreement"] < 0.3
    assert measure_uncaptioned(wordless, real, classifier, **options)["agreement"] == 0.0
    assert (
        measure_uncaptioned(ignores_caption, real, classifier, **options)["agreement_given"] < 0.3
    )


def test_metrics_that_a_model_does_not_support_are_refused(
    real: pipeline.Examples, classifier: Classifier
) -> None:
    for metric, reads in (("agreement", None), ("confidence", "captions"), ("text_entropy", None)):
        with pytest.raises(UsageError, match=f"--metrics: {metric} needs labels, and a model"):
            evaluate.evaluate(
                lambda captions, *_: Samples(real.image[: len(captions)]),
                real,
                EvaluationModels(classifier),
                metrics=[metric],
                protocol=Protocol(samples=20, seed=1, truncation=0.0),
                reads=reads,
            )


def test_entropy_equals_the_hand_computed_one() -> None:
    quarter = text_image.entropy(np.array([0, 0, 3, 3]), classes=4)["value"]
    assert quarter == pytest.approx(0.5)
    assert text_image.entropy(np.array([5, 5]), classes=2)["value"] == 0.0


@pytest.mark.parametrize("side", [16, 28, 32])
def test_blurred_image_has_the_mean_of_each_cell(side: int) -> None:
    image = np.zeros([1, side, side, 1], np.uint8)
    cell = side // 8
    image[:, :cell, :cell] = 200
    blurred = extraction.blurred(image)
    assert blurred.shape == image.shape
    assert blurred[0, 0, 0, 0] == 200
    assert blurred.astype(int).sum() == image.astype(int).sum()
