"""A feature extractor: a small classifier, trained on the data set's own train split."""

import functools
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras as keras

FEATURES = 128
FEWEST_STEPS, FEWEST_EPOCHS = 850, 3
BATCH_SIZE = 64
PREDICT_BATCH_SIZE = 250
SEED = 1
SMALLEST_SIDE_PX = 8


class ExtractorOutputs(NamedTuple):
    """Outputs of a feature extractor for N images.

    Attributes:
      features: float64 [N, D].
      probabilities: class probabilities float64 [N, L]; None if the extractor is no classifier.
    """

    features: np.ndarray
    probabilities: np.ndarray | None = None


# Maps images uint8 [N, S, S, C] to their features.
Extractor: TypeAlias = Callable[[np.ndarray], ExtractorOutputs]


class Classifier:
    """Classifies images by label; the last hidden layer gives the features."""

    def __init__(self, *, image_size: int, image_channels: int, labels: int) -> None:
        """Builds the network with new weights.

        Args:
          image_size: image side in pixels.
          image_channels: 1 or 3.
          labels: number of classes, L.
        """
        keras.utils.set_random_seed(SEED)
        inputs = keras.Input([image_size, image_size, image_channels])
        hidden = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
        hidden = keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest")(hidden)
        side, channels = image_size, 32
        while side > SMALLEST_SIDE_PX:
            hidden = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(hidden)
            hidden = keras.layers.MaxPool2D()(hidden)
            side, channels = side // 2, min(2 * channels, 128)
        hidden = keras.layers.Dropout(0.3)(keras.layers.Flatten()(hidden))
        features = keras.layers.Dense(FEATURES, activation="relu")(hidden)
        logits = keras.layers.Dense(labels)(keras.layers.Dropout(0.3)(features))
        self._model = keras.Model(inputs, [features, logits])
        self._infer = tf.function(
            functools.partial(self._model, training=False), autograph=False, reduce_retracing=True
        )
        self._to_train = keras.Model(inputs, logits)

    def train(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Trains on images uint8 [N, S, S, C] with labels int64 [N]."""
        self._to_train.compile(
            keras.optimizers.Adam(1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        batches = (
            tf.data.Dataset.from_tensor_slices((images, labels))
            .shuffle(len(images), seed=SEED)
            .repeat()
            .batch(BATCH_SIZE)
        )
        steps = max(FEWEST_STEPS, FEWEST_EPOCHS * len(images) // BATCH_SIZE)
        self._to_train.fit(batches, steps_per_epoch=steps, verbose=0)

    def __call__(self, images: np.ndarray) -> ExtractorOutputs:
        """Returns features and class probabilities of images uint8 [N, S, S, C]."""
        starts = range(0, len(images), PREDICT_BATCH_SIZE)
        parts = [
            self._infer(tf.cast(images[start : start + PREDICT_BATCH_SIZE], tf.float32))
            for start in starts
        ]
        features, logits = (tf.concat(part, axis=0) for part in zip(*parts, strict=True))
        return ExtractorOutputs(
            features=features.numpy().astype(np.float64),
            probabilities=tf.nn.softmax(tf.cast(logits, tf.float64)).numpy(),
        )

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights."""
        weights = b"".join(value.tobytes() for value in self._model.get_weights())
        return hashlib.sha256(weights).hexdigest()

    def to_bytes(self) -> bytes:
        """Returns the weights as an .npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, *self._model.get_weights())
        return buffer.getvalue()

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Sets the weights of an .npz file that `to_bytes` made.

        Raises:
          ValueError: the weights belong to another network.
        """
        self._model.set_weights(weights)
