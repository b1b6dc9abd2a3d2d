"""SavedModels as feature extractors and matching models."""

import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.metrics.features import ExtractorOutputs
from tfgan2.metrics.resizing import resized
from tfgan2.program import UsageError

BATCH_SIZE = 50
IMAGE_TYPES = (tf.uint8, tf.float32)


class SavedExtractor:
    """A SavedModel that extracts features of images.

    Its signature `features`, or `serving_default`, has one input: `image`, uint8 or float32
    [B, H, W, C] in [0, 255]. Images are resized to H and W if the signature states them; grey
    images are repeated to three channels if C is 3. Its output `features`, or its only output, is
    float [B, D]; an output `probabilities`, float [B, L], allows the Inception Score.
    """

    def __init__(self, path: str | os.PathLike, *, flag: str) -> None:
        """Loads the SavedModel.

        Args:
          path: folder with saved_model.pb.
          flag: flag that names the folder, for error messages.

        Raises:
          UsageError: the folder is not such a SavedModel.
        """
        self._model = _load(path, flag=flag)  # Keeps the signatures alive.
        names = [name for name in ("features", "serving_default") if name in self._model.signatures]
        if not names:
            rule = "must be a SavedModel with a signature features or serving_default"
            raise UsageError(flag, rule, sorted(self._model.signatures))
        self._images = _ImageSignature(self._model.signatures[names[0]], flag=flag)
        outputs = self._images.outputs
        self._features = "features" if "features" in outputs else min(outputs)
        if self._features != "features" and len(outputs) > 1:
            raise UsageError(flag, "must have an output features, or but one", sorted(outputs))
        self.checksum = _checksum(path)
        self.resize = self._images.resize

    @property
    def has_probabilities(self) -> bool:
        """Whether the model gives class probabilities too."""
        return "probabilities" in self._images.outputs

    def __call__(self, images: np.ndarray) -> ExtractorOutputs:
        """Returns features of images uint8 [N, S, S, C]."""
        outputs = self._images(images)
        return ExtractorOutputs(outputs[self._features], outputs.get("probabilities"))


class SavedMatcher:
    """A matching model, such as CLIP: a SavedModel with signatures for images and captions.

    `encode_images` has an input `image` like `SavedExtractor`'s, `encode_captions` an input
    `caption`, string [B]. Each has one output, float [B, D] with the same D.
    """

    def __init__(self, path: str | os.PathLike, *, flag: str) -> None:
        """Loads the SavedModel.

        Args:
          path: folder with saved_model.pb.
          flag: flag that names the folder, for error messages.

        Raises:
          UsageError: the folder is not such a SavedModel.
        """
        self._model = _load(path, flag=flag)
        signatures = self._model.signatures
        if not {"encode_images", "encode_captions"} <= set(signatures):
            rule = "must be a SavedModel with the signatures encode_images and encode_captions"
            raise UsageError(flag, rule, sorted(signatures))
        self._images = _ImageSignature(signatures["encode_images"], flag=flag)
        self._captions = signatures["encode_captions"]
        inputs = list(self._captions.structured_input_signature[1].values())
        if len(inputs) != 1 or inputs[0].dtype != tf.string:
            raise UsageError(flag, "must encode captions of one string input", inputs)
        self.checksum = _checksum(path)
        self.resize = self._images.resize

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Encodes images uint8 [N, S, S, C] as float64 [N, D] of length 1."""
        return _unit(next(iter(self._images(images).values())))

    def encode_captions(self, captions: Sequence[str]) -> np.ndarray:
        """Encodes captions as float64 [N, D] of length 1."""
        (name,) = self._captions.structured_input_signature[1]

        def encode(batch: Sequence[str]) -> np.ndarray:
            outputs = self._captions(**{name: tf.constant(list(batch))})
            return next(iter(outputs.values())).numpy()

        starts = range(0, len(captions), BATCH_SIZE)
        codes = [encode(captions[start : start + BATCH_SIZE]) for start in starts]
        return _unit(np.concatenate(codes).astype(np.float64))


class _ImageSignature:
    """A signature with images as its only input."""

    def __init__(self, function: Any, *, flag: str) -> None:
        self._function = function
        inputs = function.structured_input_signature[1]
        rule = f"must take one input of images, uint8 or float32 [B, H, W, C] ({function.name})"
        if len(inputs) != 1:
            raise UsageError(flag, rule, sorted(inputs))
        ((self._name, specification),) = inputs.items()
        if specification.shape.rank != 4 or specification.dtype not in IMAGE_TYPES:
            raise UsageError(flag, rule, specification)
        self._type, self._shape = specification.dtype, specification.shape
        self.outputs = set(function.structured_outputs)

    @property
    def resize(self) -> str:
        """Describes in words how images are resized."""
        _, height, width, _ = self._shape
        if height is None or width is None:
            return "none"
        return f"antialiased bicubic to {height}x{width} px"

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        starts = range(0, len(images), BATCH_SIZE)
        parts = [self._run(images[start : start + BATCH_SIZE]) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        _, height, width, channels = self._shape
        pixels = tf.cast(images, tf.float32)
        if height is not None and width is not None:
            pixels = resized(pixels, (height, width))
        if channels is not None and images.shape[-1] != channels:
            pixels = tf.repeat(pixels, channels // images.shape[-1], axis=-1)
        if self._type == tf.uint8:
            pixels = tf.round(pixels)
        outputs = self._function(**{self._name: tf.cast(pixels, self._type)})
        return {name: value.numpy().astype(np.float64) for name, value in outputs.items()}


def is_saved_model(path: str | os.PathLike) -> bool:
    """Whether a folder holds a SavedModel."""
    return (pathlib.Path(path) / "saved_model.pb").is_file()


def _load(path: str | os.PathLike, *, flag: str) -> tf.Module:
    if not is_saved_model(path):
        raise UsageError(flag, "must be a folder with a saved_model.pb", path)
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:  # A damaged SavedModel raises errors of nearly any type.
        raise UsageError(flag, "must be a SavedModel", f"{path} ({error!r:.200})") from error


def _checksum(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of graph and weights."""
    digest = hashlib.sha256()
    folder = pathlib.Path(path)
    for file in [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _unit(codes: np.ndarray) -> np.ndarray:
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)
