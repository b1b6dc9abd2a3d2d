"""The char-CNN-RNN text encoder, as in its published codes.

Source: Reed et al. 2016, "Learning Deep Representations of Fine-Grained Visual Descriptions",
section 3.2.
"""

import dataclasses
from typing import TypeAlias

import tensorflow as tf
import tf_keras as keras

from tfgan2.characters import ALPHABET
from tfgan2.text.tokenizers import MAX_CHARACTERS

DType: TypeAlias = keras.mixed_precision.Policy | str
CONVOLUTIONS = (384, 512)
WINDOW_CHARACTERS = 4
POOL = 3
THRESHOLD = 1e-6
START = 0.08


@dataclasses.dataclass(frozen=True)
class Variant:
    """A published form of the encoder.

    Attributes:
      units: channels of the last convolution and units of the recurrence.
      gated: whether the recurrence is a GRU over 18 steps; otherwise a ReLU network over 8 steps,
        after a third pooling.
    """

    units: int
    gated: bool


# Named by the paper of the published code and, if the code has two encoders, the data set.
VARIANTS = {
    "cvpr2016": Variant(units=256, gated=False),
    "icml2016_flowers": Variant(units=512, gated=False),
    "icml2016_birds": Variant(units=512, gated=True),
}


class CharCNNRNN(keras.Model):
    """Convolutions over characters, then the mean of the states of a recurrent network."""

    def __init__(self, *, variant: Variant, sentence_size: int, dtype: DType = "float32") -> None:
        """Builds the encoder.

        Args:
          variant: published form.
          sentence_size: length of the sentence embedding; published: 1024.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="text_encoder", dtype=dtype)
        self.sentence_size = sentence_size
        self.pools_again = not variant.gated
        self.convolutions = [
            keras.layers.Conv1D(channels, WINDOW_CHARACTERS, **_start(), dtype=dtype)
            for channels in (*CONVOLUTIONS, variant.units)
        ]
        recurrence = GatedRecurrence if variant.gated else ReluRecurrence
        self.recurrence = recurrence(variant.units, dtype=dtype)
        self.projection = keras.layers.Dense(sentence_size, **_start(), dtype=dtype)
        length = tf.zeros([1], tf.int32)
        self({"ids": tf.zeros([1, MAX_CHARACTERS], tf.int32), "length": length})

    def call(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Encodes captions.

        Args:
          tokens: ids int32 [B, 201] in 0 (no character) to 70.

        Returns:
          Sentence embeddings, float32 [B, sentence_size].
        """
        features = tf.one_hot(tokens["ids"] - 1, len(ALPHABET), dtype=self.compute_dtype)
        for number, convolution in enumerate(self.convolutions):
            features = convolution(features)
            features = tf.where(features > THRESHOLD, features, tf.zeros_like(features))
            if number < len(CONVOLUTIONS):
                features = tf.nn.max_pool1d(features, POOL, POOL, "VALID")
        if self.pools_again:
            features = tf.nn.max_pool1d(features, POOL, 2, "VALID")
        return tf.cast(self.projection(self.recurrence(features)), tf.float32)


class ReluRecurrence(keras.layers.Layer):
    """Mean of the states of a recurrent ReLU network without initial state."""

    def __init__(self, units: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.of_input = keras.layers.Dense(units, **_start(), dtype=dtype)
        self.of_state = keras.layers.Dense(units, **_start(), dtype=dtype)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Runs over features [B, T, units]: [B, units]."""
        first, *later = tf.unstack(self.of_input(features), axis=1)
        states = [tf.nn.relu(first)]
        for step in later:
            states.append(tf.nn.relu(step + self.of_state(states[-1])))
        return tf.add_n(states) / len(states)


class GatedRecurrence(keras.layers.Layer):
    """Mean of the states of the published code's own GRU without initial state."""

    def __init__(self, units: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        names = ("update", "reset", "candidate")
        self.of_input = [keras.layers.Dense(units, **_start(), dtype=dtype) for _ in names]
        self.of_state = [keras.layers.Dense(units, **_start(), dtype=dtype) for _ in names]

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Runs over features [B, T, units]: [B, units]."""
        (_, *updates), (_, *resets), (first, *candidates) = (
            tf.unstack(dense(features), axis=1) for dense in self.of_input
        )
        of_update, of_reset, of_candidate = self.of_state
        states = [tf.tanh(first)]
        for update, reset, candidate in zip(updates, resets, candidates, strict=True):
            state = states[-1]
            opened = tf.sigmoid(update + of_update(state))
            reset_state = tf.sigmoid(reset + of_reset(state)) * state
            new = tf.tanh(candidate + of_candidate(reset_state))
            states.append(opened * new + (1.0 - opened) * state)
        return tf.add_n(states) / len(states)


def _start() -> dict[str, keras.initializers.Initializer]:
    """Initializers of weights and biases: uniform in +-0.08."""
    return {
        name: keras.initializers.RandomUniform(-START, START)
        for name in ("kernel_initializer", "bias_initializer")
    }
