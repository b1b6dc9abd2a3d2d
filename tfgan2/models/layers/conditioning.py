"""StackGAN's conditioning augmentation: a normal distribution for every sentence embedding.

Source: Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks", section 3.2, and its two published codes.
"""

import math

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import DType, leaky_relu
from tfgan2.models.layers.gan_cls_blocks import normal_dense

TRUNCATION = 2.0


class ConditioningAugmentation(keras.Model):
    """Maps a sentence embedding to mean and log sigma of its condition.

    In the published `tensorflow` code a leaky ReLU gives log sigma, and the noise is truncated. In
    the `pytorch` code a ReLU gives log sigma squared, and the noise is not truncated.
    """

    def __init__(
        self,
        *,
        sentence_size: int,
        conditioning_size: int,
        form: str,
        dtype: DType = "float32",
    ) -> None:
        """Builds the network.

        Args:
          sentence_size: length of the sentence embedding.
          conditioning_size: length of the condition (published: 128).
          form: `pytorch`; any other form means `tensorflow`.
          dtype: dtype policy of the layer.
        """
        super().__init__(name="conditioning", dtype=dtype)
        self.form = form
        self.conditioning_size = conditioning_size
        self.dense = normal_dense(2 * conditioning_size, dtype=dtype)
        self(tf.zeros([1, sentence_size]))

    def call(self, sentence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log sigma of sentence embeddings [B, E]; each float32 [B, conditioning_size]."""
        units = tf.cast(self.dense(tf.cast(sentence, self.compute_dtype)), tf.float32)
        if self.form == "pytorch":
            mean, log_variance = tf.split(tf.nn.relu(units), 2, axis=1)
            return mean, log_variance / 2.0
        mean, log_sigma = tf.split(leaky_relu(units), 2, axis=1)
        return mean, log_sigma

    def draw(self, sentence: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Samples mean + sigma * noise: float32 [B, conditioning_size].

        Args:
          sentence: sentence embeddings [B, E].
          noise: standard normal; float32 [B, conditioning_size].
        """
        mean, log_sigma = self(sentence)
        return mean + tf.exp(log_sigma) * (noise if self.form == "pytorch" else truncated(noise))


def truncated(normal: tf.Tensor) -> tf.Tensor:
    """Maps standard normal draws to draws of a normal truncated to [-2, 2]; keeps their order.

    Computes ndtri(Phi(-2) + Phi(draw) (Phi(2) - Phi(-2))), written with erf, which is exact near 0
    and finite everywhere.

    Args:
      normal: standard normal draws; float32 [...].

    Returns:
      float32 [...] in [-2, 2].
    """
    root = math.sqrt(2.0)
    return root * tf.math.erfinv(math.erf(TRUNCATION / root) * tf.math.erf(normal / root))


def kl_divergence(mean: tf.Tensor, log_sigma: tf.Tensor) -> tf.Tensor:
    """KL divergence of conditions from the standard normal, mean over rows and units.

    Args:
      mean: float32 [B, D].
      log_sigma: float32 [B, D].

    Returns:
      float32 scalar.
    """
    variance = tf.exp(2.0 * log_sigma)
    return tf.reduce_mean(-log_sigma + 0.5 * (-1.0 + variance + tf.square(mean)))
