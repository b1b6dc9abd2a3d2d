"""Discriminator heads: image features and a sentence embedding to a logit."""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import DType, convolution, dense, leaky_relu, tile

PROJECTION_CHANNELS = 64
PROJECTION_SIZE = 128


class JointHead(keras.Model):
    """Concatenates the sentence embedding at every position; two convolutions (DF-GAN's NetC)."""

    def __init__(
        self,
        *,
        feature_shape: tuple[int, int, int],
        sentence_size: int,
        base_channels: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the head.

        Args:
          feature_shape: height, width and channels of the features; height equals width.
          sentence_size: length of a sentence embedding.
          base_channels: base channels of the discriminator; the first convolution has twice as
            many.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="joint_head", dtype=dtype)
        self.joint = convolution(2 * base_channels, 3, use_bias=False, dtype=dtype)
        self.logit = convolution(1, feature_shape[0], padding="valid", use_bias=False, dtype=dtype)
        self(tf.zeros([1, *feature_shape]), tf.zeros([1, sentence_size]))

    def call(self, features: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
        """Logits, float32 [B], of features [B, H, W, D] and sentence embeddings [B, E]."""
        features = tf.cast(features, self.compute_dtype)
        sentence = tf.cast(sentence, self.compute_dtype)
        joined = tf.concat([features, tile(sentence, features)], axis=-1)
        logit = self.logit(leaky_relu(self.joint(joined)))
        return tf.cast(tf.reshape(logit, [-1]), tf.float32)


class ProjectionHead(keras.Model):
    """Inner product of image features and sentence embedding, plus an unconditional logit.

    Source: Miyato and Koyama 2018, "cGANs with Projection Discriminator", section 3, with a
      linear map of the sentence embedding instead of the class embedding.
    """

    def __init__(
        self,
        *,
        feature_shape: tuple[int, int, int],
        sentence_size: int,
        base_channels: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the head; `base_channels` is ignored; other arguments as for `JointHead`."""
        super().__init__(name="projection_head", dtype=dtype)
        self.convolution = convolution(PROJECTION_CHANNELS, 3, use_bias=False, dtype=dtype)
        self.flatten = keras.layers.Flatten(dtype=dtype)
        self.image = dense(PROJECTION_SIZE, dtype=dtype)
        self.sentence = dense(PROJECTION_SIZE, dtype=dtype)
        self.unconditional = dense(1, use_bias=False, dtype=dtype)
        self(tf.zeros([1, *feature_shape]), tf.zeros([1, sentence_size]))

    def call(self, features: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
        """Logits, float32 [B], of features [B, H, W, D] and sentence embeddings [B, E]."""
        features = leaky_relu(self.convolution(tf.cast(features, self.compute_dtype)))
        image = leaky_relu(self.image(self.flatten(features)))
        sentence = self.sentence(tf.cast(sentence, self.compute_dtype))
        match = tf.reduce_sum(tf.cast(image * sentence, tf.float32), axis=1)
        unconditional = tf.cast(self.unconditional(image)[:, 0], tf.float32)
        return match / PROJECTION_SIZE**0.5 + unconditional


HEADS: dict[str, type[keras.Model]] = {"joint": JointHead, "projection": ProjectionHead}
