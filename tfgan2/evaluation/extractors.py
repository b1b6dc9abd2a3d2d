"""Loads the models that evaluate images: classifier, feature extractors, matching models."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgan2.data import pipeline, records
from tfgan2.metrics import text_image
from tfgan2.metrics.catalogue import DOMAIN, INCEPTION
from tfgan2.metrics.extraction import MatchingModel
from tfgan2.metrics.features import Classifier, Extractor
from tfgan2.metrics.inception import IMAGENET, Inception
from tfgan2.metrics.saved_models import SavedExtractor, SavedMatcher, is_saved_model
from tfgan2.program import UsageError, warn, write_file
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.pretrained import load_pretrained_text_encoder
from tfgan2.runs.sampling import load_matcher

CHECKSUM_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class MatchingSource:
    """A matching model that evaluates images, and its entry in the protocol.

    Attributes:
      matcher: the model.
      run: path of its run or SavedModel.
      checksum: SHA-256 of its weights; for a run, of its text encoder's weights only.
      resize: how it resizes images of another size.
      used_in_training: whether the measured model started with this text encoder; None: unknown.
    """

    matcher: MatchingModel
    run: str
    checksum: str
    resize: str
    used_in_training: bool | None

    @property
    def protocol(self) -> dict[str, Any]:
        """Entry in the protocol."""
        return {
            "run": self.run,
            "checksum": self.checksum[:CHECKSUM_DIGITS],
            "resize": self.resize,
            "used_in_training": self.used_in_training,
            "candidates": text_image.CANDIDATES,
        }


def load_matching(
    path: str | os.PathLike, text_encoder: Mapping[str, str] | None, *, channels: int
) -> MatchingSource:
    """Loads a matching model.

    Args:
      path: run directory, or a SavedModel.
      text_encoder: run and checksum of the text encoder that the measured model started with;
        empty: none; None: unknown.
      channels: channels of the images.

    Raises:
      UsageError: the model is not a complete matching model, or has no checkpoint.
    """
    flag = "--matching"
    if is_saved_model(path):
        matcher = SavedMatcher(path, flag=flag)
        return MatchingSource(
            matcher,
            str(path),
            checksum=matcher.checksum,
            resize=matcher.resize,
            used_in_training=False,
        )
    run = RunDirectory.existing(path, flag=flag)
    run_matcher, config = load_matcher(run, flag=flag)
    if config.data["channels"] != channels:
        rule = f"must be of images of {channels} channels"
        raise UsageError(flag, rule, config.data["channels"])
    checksum = load_pretrained_text_encoder(run.path).description["checksum"]
    used_in_training = None
    if text_encoder is not None:
        # The same run counts too: it may have trained further since.
        same_run = pathlib.Path(text_encoder.get("run", "")).resolve() == run.path.resolve()
        used_in_training = text_encoder.get("checksum") == checksum or same_run
    return MatchingSource(
        run_matcher,
        str(path),
        checksum=checksum,
        resize=f"antialiased bilinear to {config.recipe.image_size} px",
        used_in_training=used_in_training,
    )


@dataclasses.dataclass(frozen=True)
class FeatureSource:
    """A feature extractor other than the data set's classifier, and its entry in the protocol."""

    extractor: Extractor
    has_probabilities: bool
    description: str
    resize: str


def load_features(name: str, weights: str | None) -> FeatureSource | None:
    """Loads a feature extractor.

    Args:
      name: `domain`, `inception_v3`, or the folder of a SavedModel.
      weights: for inception_v3: a file in Keras's format; None: Keras downloads ImageNet's.

    Returns:
      None for `domain`: the data set's own classifier, or the matching model.

    Raises:
      UsageError: `name` is not a feature extractor.
    """
    if weights is not None and name != INCEPTION:
        rule = f"must be left out but for --features={INCEPTION}"
        raise UsageError("--features_weights", rule, weights)
    if name == DOMAIN:
        return None
    found: Inception | SavedExtractor
    if name == INCEPTION:
        found = Inception(weights or IMAGENET, flag="--features_weights")
        title = "Keras's Inception-v3, weights"
    else:
        if not is_saved_model(name):
            rule = f"must be {DOMAIN}, {INCEPTION} or the folder of a SavedModel"
            raise UsageError("--features", rule, name)
        found = SavedExtractor(name, flag="--features")
        title = f"SavedModel {pathlib.Path(name).resolve().name}"
    return FeatureSource(
        extractor=found,
        has_probabilities=found.has_probabilities,
        description=f"{title} {found.checksum[:CHECKSUM_DIGITS]}",
        resize=found.resize,
    )


def domain_classifier(
    data_dir: str | os.PathLike, manifest: records.Manifest, *, view: pipeline.View
) -> Classifier:
    """Trains a classifier on the train split, or loads the cached one from the data set's folder.

    Raises:
      UsageError: the data set has fewer than two labels.
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
        try:
            write_file(cache, classifier.to_bytes())
        except OSError as error:
            warn(f"{cache} cannot be written, and the next evaluation trains it again: {error}")
    return classifier


def clip_protocol(matcher: SavedMatcher, path: str) -> Mapping[str, str]:
    """Entry of the clip_score model in the protocol."""
    checksum = matcher.checksum[:CHECKSUM_DIGITS]
    return {"saved_model": path, "checksum": checksum, "resize": matcher.resize}
