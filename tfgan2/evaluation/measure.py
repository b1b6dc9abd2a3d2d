"""Measures a generator against a data set, and returns a line of metrics and protocol."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from tfgan2.adversarial.sampler import AnySampler
from tfgan2.data import pipeline, records
from tfgan2.evaluation import extractors
from tfgan2.evaluation.extractors import CHECKSUM_DIGITS, FeatureSource, MatchingSource
from tfgan2.metrics import evaluate, moments
from tfgan2.metrics.catalogue import LIGHT, METRICS, NEEDS, OF_CLASSES
from tfgan2.metrics.extraction import CLIP_CODES, CODES, FEATURES, PROBABILITIES, EvaluationModels
from tfgan2.metrics.inception_score import SPLITS
from tfgan2.metrics.moments import Moments
from tfgan2.metrics.protocol import Protocol, supported, wanted
from tfgan2.metrics.real_images import captions_are_shared
from tfgan2.metrics.saved_models import SavedMatcher
from tfgan2.program import UsageError
from tfgan2.runs import environment, label_texts
from tfgan2.runs import recipe as recipes
from tfgan2.text.tokenizers import words_of

MODEL_DEFAULT = "the model's own"


@dataclasses.dataclass(frozen=True)
class MeasuredGenerator:
    """The generator to measure.

    Attributes:
      sample: generates images.
      reads: conditioning input: `captions`; `texts`, which a joint model also writes; or None.
      view: crop and size of the data set's images in training.
      truncation: the generator's default truncation; None if unknown.
      name: name of the checkpoint.
      text_source: of a joint model: `caption`, `label` or `label_number`.
      channels: channels of its images; None: those of the data set.
    """

    sample: evaluate.Sample
    reads: str | None
    view: pipeline.View
    truncation: float | None
    name: str
    text_source: str = "caption"
    channels: int | None = None


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Split, feature extractors and other inputs of an evaluation.

    Attributes:
      split: split of the captions and real images.
      matching: matching model, for r_precision, and for features of a data set without labels.
      features: feature extractor; None: the data set's own classifier, or the matching model.
      clip: SavedModel of images and captions, for clip_score.
      statistics: .npz file of mean and covariance of real images, for fid.
      with_statistics: whether to compute mean and covariance of the features of the real images.
      memory_mib: approximate memory of features and blocks of distances, in MiB.
    """

    split: str = "test"
    matching: MatchingSource | None = None
    features: FeatureSource | None = None
    clip: str | None = None
    statistics: str | None = None
    with_statistics: bool = False
    memory_mib: int = 1024


@dataclasses.dataclass(frozen=True)
class Measured:
    """Result of a measurement.

    Attributes:
      line: `metrics` and `protocol`.
      statistics: mean and covariance of the features of the real images; None if not wanted.
    """

    line: dict[str, Any]
    statistics: Moments | None


def measured_generator(
    sampler: AnySampler, *, checkpoint: str, recipe: recipes.Recipe, channels: int | None = None
) -> MeasuredGenerator:
    """Describes the generator of a run.

    Args:
      sampler: generates images.
      checkpoint: path of the checkpoint.
      recipe: recipe of the run.
      channels: channels of its images; None: those of the data set.
    """
    return MeasuredGenerator(
        sample=sampler.sample,
        reads=recipes.system_class(recipe).reads,
        view=recipes.view(recipe),
        truncation=sampler.truncation,
        name=pathlib.Path(checkpoint).name,
        text_source=recipe.text_source,
        channels=channels,
    )


def evaluate_run(
    sampler: AnySampler,
    *,
    checkpoint: str,
    recipe: recipes.Recipe,
    data_dir: str | os.PathLike,
    metrics: Sequence[str] | None,
    protocol: Protocol,
) -> dict[str, Any]:
    """Measures a run's generator on the test split.

    Args:
      sampler: generates images.
      checkpoint: path of the checkpoint.
      recipe: recipe of the run.
      data_dir: data set, as tools.prepare writes it.
      metrics: metric names; None: all light metrics that the data set allows.
      protocol: number of samples, seeds and other counts.

    Returns:
      The line: `metrics` and `protocol`.

    Raises:
      UsageError: the data set does not allow a metric.
    """
    generator = measured_generator(sampler, checkpoint=checkpoint, recipe=recipe)
    inputs = Inputs()
    return measure(generator, inputs, data_dir=data_dir, metrics=metrics, protocol=protocol).line


def measure(
    generator: MeasuredGenerator,
    inputs: Inputs,
    *,
    data_dir: str | os.PathLike,
    metrics: Sequence[str] | None,
    protocol: Protocol,
) -> Measured:
    """Measures a generator against a data set.

    Args:
      generator: the generator.
      inputs: split, feature extractors and other inputs.
      data_dir: data set, as tools.prepare writes it.
      metrics: metric names; None: all light metrics that the data set allows.
      protocol: number of samples, seeds and other counts.

    Returns:
      The line, and the statistics if they are wanted.

    Raises:
      UsageError: the data set, or a missing model, does not allow a metric.
    """
    # Load the real images and the feature extractors.
    manifest = records.load_manifest(data_dir)
    check_data(generator, manifest, split=inputs.split, data_dir=data_dir)
    real = pipeline.StoredExamples(data_dir, manifest, split=inputs.split, view=generator.view)
    other_split = None
    if "memorization" in (metrics or ()):
        other = "test" if inputs.split == "train" else "train"
        if manifest.records(other):
            other_split = pipeline.StoredExamples(
                data_dir, manifest, split=other, view=generator.view
            )
    models, clip = _load_models(generator, inputs, metrics, data_dir=data_dir, manifest=manifest)
    if inputs.with_statistics and not models.has_features:
        rule = "needs features: labels, a matching model or --features"
        raise UsageError("--save_statistics", rule, "none")
    # Compute the metrics.
    names = metrics or [
        name for name in supported(real, models, reads=generator.reads) if name in LIGHT
    ]
    if not names:
        raise UsageError("--data_dir", f"must have one of: {_missing(generator.reads)}", "none")
    results = evaluate.evaluate(
        generator.sample,
        real,
        models,
        metrics=names,
        protocol=protocol,
        reads=generator.reads,
        text_labels=_text_labels(generator, manifest, real),
        other_split=other_split,
        real_is_train=inputs.split == "train",
        memory_mib=inputs.memory_mib,
    )
    if not results:
        rule = "must be defined for the images: two images or more that differ"
        raise UsageError("--metrics", rule, ", ".join(names))
    statistics = None
    if inputs.with_statistics:
        statistics = evaluate.statistics(real, models, memory_mib=inputs.memory_mib)
    # Describe the protocol, so that values of other runs are comparable.
    features = _describe_features(models, inputs, names, manifest)
    shared = generator.reads != "captions" or captions_are_shared(real)
    if "diversity" in names and not shared:
        features = f"{features}; diversity is a share of the spread of all real images"
    captions = "no captions"
    if generator.reads == "captions":
        count = protocol.pictures_per_caption
        captions = f"distinct captions in turn, {count} pictures or more of each"
    truncation = protocol.truncation or generator.truncation
    entries: dict[str, Any] = {
        "features": features,
        "resize": _describe_resize(generator.view, inputs.features, manifest),
        "split": inputs.split,
        "real_images": len(real.label),
        "data": f"{manifest.source} {manifest.checksum[:CHECKSUM_DIGITS]}",
        "samples": protocol.samples,
        "captions_per_image": captions,
        "truncation": MODEL_DEFAULT if truncation is None else truncation,
        "seed": protocol.seed,
        "counting": _describe_counting(protocol),
        "checkpoint": generator.name,
        "precision": "float32",
        "versions": environment.versions(),
    }
    if inputs.matching is not None:
        entries["matching"] = inputs.matching.protocol
    if clip is not None:
        entries["clip"] = extractors.clip_protocol(clip, str(inputs.clip))
    if models.statistics is not None:
        entries["statistics"] = _describe_statistics(models.statistics, inputs)
    return Measured({"metrics": results, "protocol": entries}, statistics)


def check_data(
    generator: MeasuredGenerator,
    manifest: records.Manifest,
    *,
    split: str,
    data_dir: str | os.PathLike,
) -> None:
    """Checks that the images of the data set can be compared with those of the generator.

    Args:
      generator: the generator.
      manifest: manifest of the data set.
      split: split of the real images.
      data_dir: folder of the data set, for the message.

    Raises:
      UsageError: the split has no image, or images of other channels or of a smaller size.
    """
    if not manifest.records(split):
        raise UsageError("--data_dir", f"must have images in its {split} split", data_dir)
    if generator.channels not in (None, manifest.channels):
        rule = f"must have images of {generator.channels} channels, as the model draws"
        raise UsageError("--data_dir", rule, manifest.channels)
    if generator.view.image_size > manifest.image_size:
        rule = f"must have images of at least {generator.view.image_size} px, as the model draws"
        raise UsageError("--data_dir", rule, manifest.image_size)


def _missing(reads: str | None) -> str:
    """Says what would allow an evaluation that names no metric."""
    light = {name: NEEDS[name] for name in LIGHT}
    if reads is None:
        del light["r_precision"]
    return "; ".join(dict.fromkeys(light.values()))


def _load_models(
    generator: MeasuredGenerator,
    inputs: Inputs,
    metrics: Sequence[str] | None,
    *,
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
) -> tuple[EvaluationModels, SavedMatcher | None]:
    """Loads or trains the models that the metrics need, and no others."""
    names = METRICS if metrics is None else metrics
    own_features = inputs.features is None and wanted(names) & {FEATURES, PROBABILITIES}
    classifier = None
    if len(manifest.label_names) > 1 and (
        own_features or set(names) & {*OF_CLASSES, "text_entropy"}
    ):
        classifier = extractors.domain_classifier(data_dir, manifest, view=generator.view)
    clip = SavedMatcher(inputs.clip, flag="--clip") if inputs.clip else None
    statistics = None
    if inputs.statistics is not None:
        statistics = moments.read(inputs.statistics, flag="--statistics")
    features = inputs.features
    return EvaluationModels(
        classifier=classifier,
        extractor=None if features is None else features.extractor,
        scores_classes=features is not None and features.has_probabilities,
        matcher=None if inputs.matching is None else inputs.matching.matcher,
        clip=clip,
        statistics=statistics,
    ), clip


def _describe_features(
    models: EvaluationModels,
    inputs: Inputs,
    names: Sequence[str],
    manifest: records.Manifest,
) -> str | None:
    if not wanted(names) - {CODES, CLIP_CODES}:
        return None
    parts = []
    if models.classifier is not None:
        weights = models.classifier.checksum[:CHECKSUM_DIGITS]
        split = manifest.checksum[:CHECKSUM_DIGITS]
        parts.append(f"domain classifier {weights}, train split {split}")
    if inputs.features is not None:
        parts.insert(0, inputs.features.description)
        return "; labels by ".join(parts)
    return parts[0] if parts else "image codes of the matching model"


def _describe_resize(
    view: pipeline.View, features: FeatureSource | None, manifest: records.Manifest
) -> str:
    parts = []
    if view.resized != manifest.image_size:
        sizes = f"from {manifest.image_size} to {view.resized} px"
        parts.append(f"real images antialiased bilinear {sizes}")
    if view.image_size != view.resized:
        parts.append(f"the middle {view.image_size} px of them")
    if features is not None and features.resize != "none":
        parts.append(f"all images for features {features.resize}")
    return ", ".join(parts) or "none"


def _describe_counting(protocol: Protocol) -> dict[str, Any]:
    subsets = f"mean of {protocol.kid_subsets} subsets of {protocol.kid_subset_size}"
    return {
        "kid": subsets if protocol.kid_subsets else "whole sets",
        "nearest": protocol.nearest,
        "inception_score_splits": SPLITS,
    }


def _describe_statistics(statistics: Moments, inputs: Inputs) -> dict[str, str]:
    content = statistics.mean.tobytes() + statistics.covariance.tobytes()
    checksum = hashlib.sha256(content).hexdigest()[:CHECKSUM_DIGITS]
    return {"file": pathlib.Path(str(inputs.statistics)).name, "checksum": checksum}


def _text_labels(
    generator: MeasuredGenerator, manifest: records.Manifest, real: pipeline.StoredExamples
) -> dict[str, int] | None:
    """Maps the texts of a joint model, as its tokenizer splits them, to labels."""
    if generator.reads != "texts":
        return None
    texts = label_texts.written_texts(generator.text_source, manifest)
    if texts is not None:
        pairs = list(enumerate(texts))
    else:
        pairs = [
            (int(label), text)
            for label, captions in zip(real.label, real.captions, strict=True)
            for text in captions
        ]
    words = words_of([text for _, text in pairs], manifest.word_rules)
    return {" ".join(own): label for own, (label, _) in zip(words, pairs, strict=True)}
