"""How the flowers project's text encoder learns: captions and images ranked against each other.

Source: the published code https://github.com/zsdonghao/text-to-image, after Kiros et al. 2014,
"Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models", section 2.3.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.blocks import DType
from tfgan2.models.gan_cls_blocks import channels_by_halving, down_blocks, normal_dense

MARGIN = 0.2


def ranking(images: tf.Tensor, sentences: tf.Tensor) -> tf.Tensor:
    """Loss of rows that are not nearer to their own by a margin than to the row before.

    Args:
      images: float32 [B, D].
      sentences: float32 [B, D], of their captions.

    Returns:
      float32 scalar: mean hinge of a wrong caption at the same image, plus that of a wrong image at
      the same caption.
    """
    right = _cosine(images, sentences)
    wrong_caption = _cosine(images, tf.roll(sentences, shift=1, axis=0))
    wrong_image = _cosine(tf.roll(images, shift=1, axis=0), sentences)
    hinges = tf.nn.relu(MARGIN - right + wrong_caption) + tf.nn.relu(MARGIN - right + wrong_image)
    return tf.reduce_mean(hinges)


class RankingImageEncoder(keras.Model):
    """Image to a code of the length of a sentence: convolutions down to 4x4, and a dense layer."""

    def __init__(
        self,
        *,
        image_size: int,
        image_channels: int,
        base_channels: int,
        code_size: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the encoder.

        Args:
          image_size: side in pixels, a power of two from 16 to 128.
          image_channels: 1 or 3.
          base_channels: of the first convolution (published: 64); each one after doubles them.
          code_size: length of the code.
          dtype: policy of its layers.
        """
        super().__init__(name="image_encoder", dtype=dtype)
        channels = channels_by_halving(base_channels, image_size)
        self.blocks = down_blocks(channels, batch_norm=True, linear_end=0, dtype=dtype)
        self.flatten = keras.layers.Flatten(dtype=dtype)
        self.code = normal_dense(code_size, use_bias=False, dtype=dtype)
        self(tf.zeros([1, image_size, image_size, image_channels]))

    def call(self, images: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Encodes images float32 [B, S, S, C] in [-1, 1]: codes float32 [B, code_size]."""
        features = tf.cast(images, self.compute_dtype)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.cast(self.code(self.flatten(features)), tf.float32)


def _cosine(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(
        tf.math.l2_normalize(one, axis=1) * tf.math.l2_normalize(other, axis=1), axis=1
    )
