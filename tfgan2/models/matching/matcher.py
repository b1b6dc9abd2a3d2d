"""Image-text similarity from a trained matching model."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfgan2.models.matching.model import Matching
from tfgan2.text.tokenizers import Tokenizer

BATCH_SIZE = 100


class Matcher:
    """Codes of images and captions; the inner product of two codes is their similarity."""

    def __init__(self, model: Matching, tokenizer: Tokenizer) -> None:
        """Wraps a trained matching model and its tokenizer."""
        self._size = model.options.image_size
        self._images = tf.function(model.encode_images, autograph=False, reduce_retracing=True)
        self._captions = tf.function(
            lambda captions: model.encode_captions(tokenizer(captions)), autograph=False
        )

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Codes, float64 [N, D], of images, uint8 [N, S, S, C] of any size S."""

        def encode(batch: np.ndarray) -> tf.Tensor:
            pixels = tf.cast(batch, tf.float32)
            if batch.shape[1] != self._size:
                pixels = tf.image.resize(pixels, [self._size, self._size], antialias=True)
            return self._images(pixels / 127.5 - 1.0)

        return _in_batches(encode, images)

    def encode_captions(self, captions: Sequence[str]) -> np.ndarray:
        """Codes, float64 [N, D], of captions."""
        return _in_batches(
            lambda batch: self._captions(tf.constant(batch)), np.array(captions, object)
        )


def _in_batches(encode: Callable[[np.ndarray], tf.Tensor], rows: np.ndarray) -> np.ndarray:
    parts = [encode(rows[at : at + BATCH_SIZE]) for at in range(0, len(rows), BATCH_SIZE)]
    return np.concatenate([part.numpy() for part in parts]).astype(np.float64)
