"""Extracts features of many images, batch by batch, without keeping the images."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol as Form
from typing import TypeAlias

import numpy as np

from tfgan2.metrics.features import Classifier, Extractor, ExtractorOutputs
from tfgan2.metrics.moments import Moments
from tfgan2.metrics.row_blocks import empty_rows
from tfgan2.program import progress

BATCH_SIZE = 50
BLURRED_SIDE_PX = 8
# Names of the arrays of images: features and class probabilities of the extractor, class
# probabilities of the data set's own classifier, and codes of models that match images with
# captions.
FEATURES, PROBABILITIES = "features", "probabilities"
CLASSES, CODES, CLIP_CODES = "classes", "codes", "clip_codes"
# Prefix of the names of the arrays of blurred images.
BLURRED = "blurred_"

Arrays: TypeAlias = dict[str, np.ndarray]


class MatchingModel(Form):
    """Encodes images and captions; the inner product of two codes is their similarity."""

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Encodes images uint8 [N, S, S, C]: float64 [N, D]."""

    def encode_captions(self, captions: Sequence[str]) -> np.ndarray:
        """Encodes captions: float64 [N, D]."""


@dataclasses.dataclass(frozen=True)
class EvaluationModels:
    """The models that an evaluation uses; None: no such model.

    Attributes:
      classifier: label classifier, trained on the data set's own train split.
      extractor: feature extractor; None: the classifier, or else the matcher, gives the features.
      scores_classes: whether the extractor gives class probabilities.
      matcher: matching model of images and captions.
      clip: matching model with codes of length 1, for the CLIP score.
      statistics: moments of real features, which replace those of the data set; for FID only.
    """

    classifier: Classifier | None = None
    extractor: Extractor | None = None
    scores_classes: bool = False
    matcher: MatchingModel | None = None
    clip: MatchingModel | None = None
    statistics: Moments | None = None

    @property
    def has_features(self) -> bool:
        """Whether a model gives features."""
        return any((self.extractor, self.classifier, self.matcher))

    @property
    def has_probabilities(self) -> bool:
        """Whether the model of the features gives class probabilities too."""
        return self.scores_classes if self.extractor else self.classifier is not None

    def extract(self, images: np.ndarray, wanted: Iterable[str]) -> Arrays:
        """Computes the `wanted` arrays of images uint8 [N, S, S, C]: arrays of N rows by name."""
        wanted = set(wanted)
        of_blurred = {name.removeprefix(BLURRED) for name in wanted if name.startswith(BLURRED)}
        found: Arrays = {}
        classified: ExtractorOutputs | None = None
        gives_features = not self.extractor and wanted & {FEATURES, PROBABILITIES}
        if self.classifier and (CLASSES in wanted or gives_features):
            classified = self.classifier(images)
            assert classified.probabilities is not None  # A classifier always has probabilities.
            found[CLASSES] = classified.probabilities
        if wanted & {FEATURES, PROBABILITIES}:
            outputs = self._features(images) if classified is None or self.extractor else classified
            found[FEATURES] = outputs.features
            if outputs.probabilities is not None:
                found[PROBABILITIES] = outputs.probabilities
        if CODES in wanted and self.matcher:
            found[CODES] = self.matcher.encode_images(images)
        if CLIP_CODES in wanted and self.clip:
            found[CLIP_CODES] = self.clip.encode_images(images)
        if of_blurred:
            arrays = self.extract(blurred(images), of_blurred)
            found |= {f"{BLURRED}{name}": rows for name, rows in arrays.items()}
        return {name: rows for name, rows in found.items() if name in wanted}

    def _features(self, images: np.ndarray) -> ExtractorOutputs:
        if self.extractor:
            return self.extractor(images)
        if self.classifier:
            return self.classifier(images)
        assert self.matcher  # `protocol.check` guarantees a model.
        return ExtractorOutputs(self.matcher.encode_images(images))


def collect(
    batches: Iterable[np.ndarray],
    extract: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    *,
    count: int,
    description: str,
    memory_mib: int,
) -> Arrays:
    """Applies a function to batches of images, and collects its outputs.

    Args:
      batches: images, `count` in all, `BATCH_SIZE` at a time.
      extract: maps a batch to arrays by name.
      count: number of images.
      description: label of the progress bar.
      memory_mib: limit of each array in memory, in MiB; a larger array goes to a temporary file.
    """
    arrays: Arrays = {}
    end = 0
    bar = progress(batches, total=-(-count // BATCH_SIZE), description=description, unit="batches")
    for images in bar:
        start, end = end, end + len(images)
        for name, rows in extract(images).items():
            if name not in arrays:
                arrays[name] = empty_rows(count, rows.shape[1], memory_mib=memory_mib)
            arrays[name][start:end] = rows
    return arrays


def blurred(images: np.ndarray) -> np.ndarray:
    """Replaces each cell of an 8x8 grid by its mean."""
    side = images.shape[1]
    starts = np.arange(BLURRED_SIDE_PX) * side // BLURRED_SIDE_PX
    sizes = np.diff([*starts, side])
    sums = np.add.reduceat(np.add.reduceat(images, starts, 1, np.float64), starts, 2)
    means = np.rint(sums / np.outer(sizes, sizes)[:, :, np.newaxis]).astype(np.uint8)
    return means.repeat(sizes, axis=1).repeat(sizes, axis=2)
