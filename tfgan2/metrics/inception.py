"""Keras's Inception-v3 with ImageNet weights, as a feature extractor."""

import functools
import hashlib
import pathlib

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.metrics.features import ExtractorOutputs
from tfgan2.metrics.resizing import resized
from tfgan2.program import UsageError

SIDE_PX = 299
IMAGENET = "imagenet"
BATCH_SIZE = 50


class Inception:
    """Gives the 2,048 features after global average pooling.

    Papers usually compute FID with the Inception network of 2015, which differs from Keras's, and
    values of the two are not comparable. To get the former, wrap that network as a SavedModel.
    """

    resize = f"antialiased bicubic to {SIDE_PX}x{SIDE_PX} px"

    def __init__(self, weights: str, *, flag: str) -> None:
        """Builds the network.

        Args:
          weights: file in Keras's format, with or without the top layer; or `imagenet`, which Keras
            downloads.
          flag: flag that names the weights, for error messages.

        Raises:
          UsageError: the weights do not exist, or belong to another network.
        """
        if weights != IMAGENET and not pathlib.Path(weights).is_file():
            raise UsageError(flag, f"must be a file or {IMAGENET}", weights)
        self._model = _with_top(weights) or _without_top(weights, flag=flag)
        self._infer = tf.function(
            functools.partial(self._model, training=False), autograph=False, reduce_retracing=True
        )

    @property
    def has_probabilities(self) -> bool:
        """Whether the weights include the top layer."""
        return len(self._model.outputs) > 1

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights."""
        weights = b"".join(value.tobytes() for value in self._model.get_weights())
        return hashlib.sha256(weights).hexdigest()

    def __call__(self, images: np.ndarray) -> ExtractorOutputs:
        """Returns features of images uint8 [N, S, S, C]; grey images become three channels."""
        starts = range(0, len(images), BATCH_SIZE)
        parts = [self._run(images[start : start + BATCH_SIZE]) for start in starts]
        arrays = [np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True)]
        return ExtractorOutputs(*arrays)

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        pixels = resized(tf.cast(images, tf.float32), (SIDE_PX, SIDE_PX))
        pixels = tf.repeat(pixels, 3 // images.shape[-1], axis=-1)
        outputs = self._infer(pixels / 127.5 - 1.0)
        return [output.numpy() for output in tf.nest.flatten(outputs)]


def _with_top(weights: str) -> keras.Model | None:
    try:
        network = keras.applications.InceptionV3(weights=weights)
    except Exception:  # Keras and h5py raise many errors; `_without_top` reports the error.
        return None
    features = network.get_layer("avg_pool").output
    return keras.Model(network.input, [features, network.output])


def _without_top(weights: str, *, flag: str) -> keras.Model:
    try:
        network = keras.applications.InceptionV3(
            include_top=False, weights=weights, pooling="avg", input_shape=[SIDE_PX, SIDE_PX, 3]
        )
    except Exception as error:
        rule = "must be Inception-v3's in Keras's format; imagenet needs a network"
        raise UsageError(flag, rule, f"{weights} ({error!r:.200})") from error
    return keras.Model(network.input, [network.output])
