"""Evaluates what draws: its data set, its judges, a line with metrics and protocol."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfgan2.adversarial.sampler import AnySampler
from tfgan2.data import pipeline, records
from tfgan2.metrics import captions as caption_lists
from tfgan2.metrics import evaluate, moments
from tfgan2.metrics.gathering import CLIP_CODES, CODES, FEATURES, PROBABILITIES, Judges
from tfgan2.metrics.inception_score import SPLITS
from tfgan2.metrics.moments import Moments
from tfgan2.metrics.protocol import LIGHT, METRICS, OF_CLASSES, Protocol, supported, wanted
from tfgan2.metrics.saved_models import SavedMatcher
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.text.tokenizers import split_words
from tfgan2.training import inputs, judging, runtime
from tfgan2.training.judging import CHECKSUM_DIGITS, FeatureSource, Judge

MODEL_DEFAULT = "the model's own"


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured, and what must be known of it.

    Attributes:
      sample: draws pictures.
      reads: what it reads: `captions`, `texts` that it also writes, or None.
      view: what of the data set's images it has seen.
      truncation: its own; None where it does not say.
      name: of its checkpoint.
      text_source: of a model that writes: `caption`, `label` or `label_number`.
    """

    sample: evaluate.Sample
    reads: str | None
    view: pipeline.View
    truncation: float | None
    name: str
    text_source: str = "caption"


@dataclasses.dataclass(frozen=True)
class Measures:
    """Against what and by whom it is measured.

    Attributes:
      split: whose captions and images.
      judge: a matching model, for r_precision, and for features where there are no labels.
      features: an extractor; None takes the data set's own classifier, or the matching model.
      clip: a SavedModel of images and captions, for clip_score.
      statistics: an .npz file of mean and covariance, for fid.
      save_statistics: where those of the real images go.
      memory_mib: about what features and blocks of distances take in memory.
    """

    split: str = "test"
    judge: Judge | None = None
    features: FeatureSource | None = None
    clip: str | None = None
    statistics: str | None = None
    save_statistics: str | None = None
    memory_mib: int = 1024


def subject_of_run(sampler: AnySampler, *, checkpoint: str, recipe: recipes.Recipe) -> Subject:
    """What is measured, where it is a run's.

    Args:
      sampler: draws.
      checkpoint: names it.
      recipe: of the run.
    """
    return Subject(
        sample=sampler.sample,
        reads=recipes.system_class(recipe).reads,
        view=recipes.view(recipe),
        truncation=sampler.truncation,
        name=pathlib.Path(checkpoint).name,
        text_source=recipe.text_source,
    )


def evaluate_run(
    run: RunDirectory,
    sampler: AnySampler,
    *,
    checkpoint: str,
    recipe: recipes.Recipe,
    data_dir: str | os.PathLike,
    metrics: Sequence[str] | None,
    protocol: Protocol,
) -> dict[str, Any]:
    """Measures a run's sampler against the test split, and appends to evaluations.jsonl.

    Args:
      run: the run.
      sampler: what is measured.
      checkpoint: names it.
      recipe: of the run.
      data_dir: a data set that tools.prepare wrote.
      metrics: their names; None takes the light ones that the data set allows.
      protocol: how many samples of what.

    Returns:
      The line: metrics and protocol.

    Raises:
      UsageError: the data set does not allow a metric.
    """
    subject = subject_of_run(sampler, checkpoint=checkpoint, recipe=recipe)
    line = measure(subject, Measures(), data_dir=data_dir, metrics=metrics, protocol=protocol)
    append_line(run.evaluations_file, line)
    return line


def measure(
    subject: Subject,
    measures: Measures,
    *,
    data_dir: str | os.PathLike,
    metrics: Sequence[str] | None,
    protocol: Protocol,
) -> dict[str, Any]:
    """Measures what draws against a data set.

    Args:
      subject: what is measured.
      measures: against what and by whom.
      data_dir: a data set that tools.prepare wrote.
      metrics: their names; None takes the light ones that the data set allows.
      protocol: how many samples of what.

    Returns:
      The line: metrics and protocol.

    Raises:
      UsageError: the data set, or who judges, does not allow a metric.
    """
    manifest = records.load_manifest(data_dir)
    if not manifest.records(measures.split):
        raise UsageError("--data_dir", f"must have images in its {measures.split} split", data_dir)
    real = pipeline.StoredExamples(data_dir, manifest, split=measures.split, view=subject.view)
    judges, clip = _judges(subject, measures, metrics, data_dir=data_dir, manifest=manifest)
    names = metrics or [
        name for name in supported(real, judges, reads=subject.reads) if name in LIGHT
    ]
    results = evaluate.evaluate(
        subject.sample,
        real,
        judges,
        metrics=names,
        protocol=protocol,
        reads=subject.reads,
        text_labels=_text_labels(subject, manifest, real),
        memory_mib=measures.memory_mib,
    )
    if measures.save_statistics is not None:
        if not judges.has_features:
            rule = "needs features: labels, a matching model or --features"
            raise UsageError("--save_statistics", rule, "none")
        found = evaluate.statistics(real, judges, memory_mib=measures.memory_mib)
        moments.write(measures.save_statistics, found)
    features = _describe_features(judges, measures, names, manifest)
    shared = subject.reads != "captions" or caption_lists.are_shared(real)
    if "diversity" in names and not shared:
        features = f"{features}; diversity is a share of the spread of all real images"
    captions = "no captions"
    if subject.reads == "captions":
        count = protocol.pictures_per_caption
        captions = f"distinct captions in turn, {count} pictures or more of each"
    truncation = protocol.truncation or subject.truncation
    said: dict[str, Any] = {
        "features": features,
        "resize": _describe_resize(subject.view, measures.features, manifest),
        "split": measures.split,
        "real_images": len(real.label),
        "data": f"{manifest.source} {manifest.checksum[:CHECKSUM_DIGITS]}",
        "samples": protocol.samples,
        "captions_per_image": captions,
        "truncation": MODEL_DEFAULT if truncation is None else truncation,
        "seed": protocol.seed,
        "counting": _describe_counting(protocol),
        "checkpoint": subject.name,
        "precision": "float32",
        "versions": runtime.versions(),
    }
    if measures.judge is not None:
        said["matching"] = measures.judge.protocol
    if clip is not None:
        said["clip"] = judging.said_of_clip(clip, str(measures.clip))
    if judges.statistics is not None:
        said["statistics"] = _describe_statistics(judges.statistics, measures)
    return {"metrics": results, "protocol": said}


def _judges(
    subject: Subject,
    measures: Measures,
    metrics: Sequence[str] | None,
    *,
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
) -> tuple[Judges, SavedMatcher | None]:
    """Loads or trains who is needed, and no other."""
    names = METRICS if metrics is None else metrics
    own_features = measures.features is None and wanted(names) & {FEATURES, PROBABILITIES}
    classifier = None
    if len(manifest.label_names) > 1 and (
        own_features or set(names) & {*OF_CLASSES, "text_entropy"}
    ):
        classifier = judging.domain_classifier(data_dir, manifest, view=subject.view)
    clip = SavedMatcher(measures.clip, flag="--clip") if measures.clip else None
    statistics = None
    if measures.statistics is not None:
        statistics = moments.read(measures.statistics, flag="--statistics")
    features = measures.features
    return Judges(
        classifier=classifier,
        extractor=None if features is None else features.extractor,
        scores_classes=features is not None and features.has_probabilities,
        matcher=None if measures.judge is None else measures.judge.matcher,
        clip=clip,
        statistics=statistics,
    ), clip


def _describe_features(
    judges: Judges, measures: Measures, names: Sequence[str], manifest: records.Manifest
) -> str | None:
    if not wanted(names) - {CODES, CLIP_CODES}:
        return None
    parts = []
    if judges.classifier is not None:
        weights = judges.classifier.checksum[:CHECKSUM_DIGITS]
        split = manifest.checksum[:CHECKSUM_DIGITS]
        parts.append(f"domain classifier {weights}, train split {split}")
    if measures.features is not None:
        parts.insert(0, measures.features.description)
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


def _describe_statistics(statistics: Moments, measures: Measures) -> dict[str, str]:
    content = statistics.mean.tobytes() + statistics.covariance.tobytes()
    checksum = hashlib.sha256(content).hexdigest()[:CHECKSUM_DIGITS]
    return {"file": pathlib.Path(str(measures.statistics)).name, "checksum": checksum}


def _text_labels(
    subject: Subject, manifest: records.Manifest, real: pipeline.StoredExamples
) -> dict[str, int] | None:
    """Labels of what a joint model may write: words as its tokenizer leaves them."""
    if subject.reads != "texts":
        return None
    texts = inputs.written_texts(subject.text_source, manifest)
    if texts is not None:
        pairs = list(enumerate(texts))
    else:
        pairs = [
            (int(label), text)
            for label, captions in zip(real.label, real.captions, strict=True)
            for text in captions
        ]
    words = split_words(tf.constant([text for _, text in pairs])).to_list()
    return {b" ".join(own).decode(): label for own, (label, _) in zip(words, pairs, strict=True)}
