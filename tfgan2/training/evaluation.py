"""Evaluates a run: its sampler, its data set, a classifier, a line in evaluations.jsonl."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.adversarial.sampler import AnySampler
from tfgan2.data import pipeline, records
from tfgan2.metrics import evaluate, text_image
from tfgan2.metrics.features import Classifier
from tfgan2.models.matcher import Matcher
from tfgan2.program import UsageError, write_file
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import Config, RunDirectory, append_line
from tfgan2.runs.sampling import load_matcher
from tfgan2.text.tokenizers import split_words
from tfgan2.training import beginning, inputs, runtime


@dataclasses.dataclass(frozen=True)
class Judge:
    """A matching model that judges a run, and what the protocol says of it."""

    matcher: Matcher
    run: str
    used_in_training: bool

    @property
    def protocol(self) -> dict[str, Any]:
        """What the protocol says of it."""
        return {
            "run": self.run,
            "used_in_training": self.used_in_training,
            "candidates": text_image.CANDIDATES,
        }


def load_judge(run_dir: str | os.PathLike, config: Config) -> Judge:
    """Loads a matching model.

    Args:
      run_dir: its run.
      config: of the run that it is to judge.

    Raises:
      UsageError: it is not a whole matching model, or has no checkpoint.
    """
    run = RunDirectory.existing(run_dir, flag="--matching")
    matcher, its_config = load_matcher(run, flag="--matching")
    if its_config.data["channels"] != config.data["channels"]:
        rule = f"must be of images of {config.data['channels']} channels"
        raise UsageError("--matching", rule, its_config.data["channels"])
    reader = config.text_encoder or {}
    used = reader.get("checksum") == beginning.load_reader(run.path).description["checksum"]
    # It may have learned on since.
    used = used or pathlib.Path(reader.get("run", "")).resolve() == run.path.resolve()
    return Judge(matcher=matcher, run=str(run_dir), used_in_training=used)


def evaluate_run(
    run: RunDirectory,
    sampler: AnySampler,
    *,
    checkpoint: str,
    recipe: recipes.Recipe,
    data_dir: str | os.PathLike,
    metrics: Sequence[str] | None,
    protocol: evaluate.Protocol,
    split: str = "test",
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Measures a run's sampler against a split, and appends to evaluations.jsonl.

    Args:
      run: the run.
      sampler: what is measured.
      checkpoint: names it.
      recipe: of the run.
      data_dir: a data set that tools.prepare wrote.
      metrics: their names; None takes all that the data set allows.
      protocol: how many samples of what.
      split: of whose captions and images.
      judge: a matching model, for r_precision, and for features where there are no labels.

    Returns:
      The line: metrics and protocol.

    Raises:
      UsageError: the data set does not allow a metric.
    """
    manifest = records.load_manifest(data_dir)
    view, reads = recipes.view(recipe), recipes.system_class(recipe).reads
    if not manifest.records(split):
        raise UsageError("--data_dir", f"must have images in its {split} split", data_dir)
    real = pipeline.examples(data_dir, manifest, split=split, view=view)
    matcher = None if judge is None else judge.matcher
    labelled = len(manifest.label_names) > 1
    names = metrics or evaluate.supported(
        real, labelled=labelled, matching=matcher is not None, reads=reads
    )
    classifier, extractor = None, None
    if labelled and set(names) != {"r_precision"}:
        classifier = domain_classifier(data_dir, manifest, view=view)
        extractor = f"domain classifier, train split {manifest.checksum[:12]}"
    elif set(names) != {"r_precision"}:
        extractor = "image codes of the matching model"

    results = evaluate.evaluate(
        sampler.sample,
        real,
        classifier=classifier,
        matcher=matcher,
        metrics=names,
        protocol=protocol,
        reads=reads,
        text_labels=_text_labels(recipe, manifest, real),
    )
    shared = reads != "captions" or evaluate.captions_are_shared(real)
    if "diversity" in names and not shared:
        extractor = f"{extractor}; diversity is a share of the spread of all real images"
    line = {
        "metrics": results,
        "protocol": {
            "features": extractor,
            "resize": "none",
            "split": split,
            "real_images": len(real.image),
            "samples": protocol.samples,
            "captions_per_image": "distinct captions in turn, "
            f"{protocol.pictures_per_caption} pictures or more of each"
            if reads == "captions"
            else "no captions",
            "truncation": protocol.truncation or sampler.truncation,
            "seed": protocol.seed,
            "checkpoint": pathlib.Path(checkpoint).name,
            "precision": "float32",
            "versions": runtime.versions(),
            **({} if judge is None else {"matching": judge.protocol}),
        },
    }
    append_line(run.evaluations_file, line)
    return line


def _text_labels(
    recipe: recipes.Recipe, manifest: records.Manifest, real: pipeline.Examples
) -> dict[str, int]:
    """Labels of what a joint model may write: words as its tokenizer leaves them."""
    texts = inputs.label_texts(recipe, manifest)
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


def domain_classifier(
    data_dir: str | os.PathLike, manifest: records.Manifest, *, view: pipeline.View
) -> Classifier:
    """Trains a classifier on the train split, or takes the one trained before.

    Raises:
      UsageError: the data set has no labels.
    """
    if len(manifest.label_names) < 2:
        raise UsageError("--data_dir", "must have labels for these metrics", data_dir)
    classifier = Classifier(
        image_size=view.image_size,
        image_channels=manifest.channels,
        labels=len(manifest.label_names),
    )
    name = f"classifier-{view.image_size}of{view.resized}px-{manifest.checksum[:12]}.npz"
    cache = pathlib.Path(data_dir) / name
    if cache.is_file():
        with np.load(cache) as weights:
            classifier.set_weights(list(weights.values()))
        return classifier
    train = pipeline.examples(data_dir, manifest, split="train", view=view)
    classifier.train(train.image, train.label)
    if os.access(data_dir, os.W_OK):
        write_file(cache, classifier.to_bytes())
    return classifier
