"""Dropout of word embeddings, whose random draws come from the noise of the training step."""

import tensorflow as tf

DROPOUT = 0.5


def drop_values(words: tf.Tensor, draws: tf.Tensor | None) -> tf.Tensor:
    """Sets values of word embeddings to 0 where a draw is below 1/2, and doubles the others.

    Args:
      words: float [B, T, D].
      draws: uniform in [0, 1), float32 [B, T * D]; None: no dropout.
    """
    if draws is None:
        return words
    is_kept = tf.reshape(draws, tf.shape(words)) >= DROPOUT
    return tf.where(is_kept, words / (1.0 - DROPOUT), tf.zeros_like(words))
