"""Evaluates a run: its sampler, its data set, a classifier, a line in evaluations.jsonl."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.adversarial.sampler import Sampler
from tfgan2.data import pipeline, records
from tfgan2.metrics import evaluate
from tfgan2.metrics.features import Classifier
from tfgan2.program import UsageError, write_file
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.training import runtime


def evaluate_run(
    run: RunDirectory,
    sampler: Sampler,
    *,
    checkpoint: str,
    view: pipeline.View,
    data_dir: str | os.PathLike,
    metrics: Sequence[str] | None,
    protocol: evaluate.Protocol,
) -> dict[str, Any]:
    """Measures a run's sampler against a test split, and appends to evaluations.jsonl.

    Args:
      run: the run.
      sampler: what is measured.
      checkpoint: names it.
      view: what of real images it is held against.
      data_dir: a data set that tools.prepare wrote.
      metrics: their names; None takes all that the data set allows.
      protocol: how many samples of what.

    Returns:
      The line: metrics and protocol.

    Raises:
      UsageError: the data set does not allow a metric.
    """
    manifest = records.load_manifest(data_dir)
    if not manifest.records("test"):
        raise UsageError("--data_dir", "must have images in its test split", data_dir)
    classifier = domain_classifier(data_dir, manifest, view=view)
    real = pipeline.examples(data_dir, manifest, split="test", view=view)

    def sample(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> np.ndarray:
        truncations = tf.fill([len(captions)], tf.constant(truncation, tf.float32))
        return sampler.pixels(tf.constant(captions), tf.constant(seeds), truncations).numpy()

    results = evaluate.evaluate(
        sample,
        real,
        classifier=classifier,
        metrics=evaluate.supported(real) if metrics is None else metrics,
        protocol=protocol,
    )
    line = {
        "metrics": results,
        "protocol": {
            "features": f"domain classifier, train split {manifest.checksum[:12]}",
            "resize": "none",
            "split": "test",
            "real_images": len(real.image),
            "samples": protocol.samples,
            "captions_per_image": "distinct captions in turn, 10 pictures or more of each",
            "truncation": protocol.truncation or sampler.truncation,
            "seed": protocol.seed,
            "checkpoint": pathlib.Path(checkpoint).name,
            "precision": "float32",
            "versions": runtime.versions(),
        },
    }
    append_line(run.evaluations_file, line)
    return line


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
