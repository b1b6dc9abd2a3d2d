"""Ranking loss between captions and images, which trains the flowers project's text encoder.

Source: the published code https://github.com/zsdonghao/text-to-image, after Kiros et al. 2014,
"Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models", section 2.3.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.gan_cls.options import GANCLSOptions
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.gan_cls_blocks import channels_by_halving, down_blocks, normal_dense

MARGIN = 0.2


def ranking(images: tf.Tensor, sentences: tf.Tensor) -> tf.Tensor:
    """Ranking loss by cosine similarity; the previous row gives the negative pairs.

    Args:
      images: codes of images; float32 [B, D].
      sentences: sentence embeddings of their captions; float32 [B, D].

    Returns:
      float32 scalar: mean hinge of the negative caption at the same image, plus mean hinge of the
      negative image at the same caption; margin 0.2.
    """
    positive = _cosine(images, sentences)
    negative_caption = _cosine(images, tf.roll(sentences, shift=1, axis=0))
    negative_image = _cosine(tf.roll(images, shift=1, axis=0), sentences)
    by_caption = tf.nn.relu(MARGIN - positive + negative_caption)
    by_image = tf.nn.relu(MARGIN - positive + negative_image)
    return tf.reduce_mean(by_caption + by_image)


class RankingImageEncoder(keras.Model):
    """Maps an image to a code: convolutions down to 4x4 and a dense layer."""

    def __init__(
        self, options: GANCLSOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the encoder.

        Args:
          options: options of GAN-CLS; published are 64 `image_encoder_channels`. A code is as long
            as a sentence embedding.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="image_encoder", dtype=dtype)
        channels = channels_by_halving(options.image_encoder_channels, options.image_size)
        self.blocks = down_blocks(channels, batch_norm=True, linear_end=0, dtype=dtype)
        self.flatten = keras.layers.Flatten(dtype=dtype)
        self.code = normal_dense(options.sentence_size, use_bias=False, dtype=dtype)
        self(tf.zeros([1, options.image_size, options.image_size, image_channels]))

    def call(self, images: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Codes, float32 [B, sentence_size], of images, float32 [B, S, S, C] in [-1, 1]."""
        features = tf.cast(images, self.compute_dtype)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.cast(self.code(self.flatten(features)), tf.float32)


def _cosine(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(
        tf.math.l2_normalize(one, axis=1) * tf.math.l2_normalize(other, axis=1), axis=1
    )
