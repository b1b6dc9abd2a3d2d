"""A trained matching model as a judge: which caption belongs to which image?"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfgan2.models.matching import Matching
from tfgan2.text.tokenizers import Tokenizer

BATCH_SIZE = 100


class Matcher:
    """Codes of images and captions whose inner products say how well they match."""

    def __init__(self, model: Matching, tokenizer: Tokenizer) -> None:
        """Wraps a trained model and the tokenizer that its captions go through."""
        self._size = model.options.image_size
        self._images = tf.function(model.encode_images, reduce_retracing=True)
        self._captions = tf.function(lambda captions: model.encode_captions(tokenizer(captions)))

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Encodes images uint8 [N, S, S, C] of any size: float64 [N, D]."""

        def encode(batch: np.ndarray) -> tf.Tensor:
            pixels = tf.cast(batch, tf.float32)
            if batch.shape[1] != self._size:
                pixels = tf.image.resize(pixels, [self._size, self._size], antialias=True)
            return self._images(pixels / 127.5 - 1.0)

        return _in_batches(encode, images)

    def encode_captions(self, captions: Sequence[str]) -> np.ndarray:
        """Encodes captions: float64 [N, D]."""
        return _in_batches(
            lambda batch: self._captions(tf.constant(batch)), np.array(captions, object)
        )


def _in_batches(encode: Callable[[np.ndarray], tf.Tensor], rows: np.ndarray) -> np.ndarray:
    parts = [encode(rows[at : at + BATCH_SIZE]) for at in range(0, len(rows), BATCH_SIZE)]
    return np.concatenate([part.numpy() for part in parts]).astype(np.float64)
