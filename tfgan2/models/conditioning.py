"""StackGAN's conditioning augmentation: a sentence becomes a normal distribution to draw from.

Source: Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks", section 3.2, and its two published codes.
"""

import math

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.blocks import DType, leaky_relu
from tfgan2.models.gan_cls_blocks import normal_dense

TRUNCATION = 2.0


class ConditioningAugmentation(keras.Model):
    """Sentence to the mean and the spread of its condition.

    The published codes: of `tensorflow`, a leaky ReLU gives the logarithm of sigma, and the noise
    is truncated; of `pytorch`, a ReLU gives that of sigma squared, and the noise is plain.
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
          sentence_size: length of the sentence.
          conditioning_size: length of the condition (published: 128).
          form: `pytorch`, or any other form for that of `tensorflow`.
          dtype: policy of its layer.
        """
        super().__init__(name="conditioning", dtype=dtype)
        self.form = form
        self.conditioning_size = conditioning_size
        self.dense = normal_dense(2 * conditioning_size, dtype=dtype)
        self(tf.zeros([1, sentence_size]))

    def call(self, sentence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Turns sentences [B, E] into mean and log sigma, each float32 [B, conditioning_size]."""
        units = tf.cast(self.dense(tf.cast(sentence, self.compute_dtype)), tf.float32)
        if self.form == "pytorch":
            mean, log_variance = tf.split(tf.nn.relu(units), 2, axis=1)
            return mean, log_variance / 2.0
        mean, log_sigma = tf.split(leaky_relu(units), 2, axis=1)
        return mean, log_sigma

    def draw(self, sentence: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Draws conditions of sentences [B, E] by noise [B, conditioning_size]: float32, as it."""
        mean, log_sigma = self(sentence)
        return mean + tf.exp(log_sigma) * (noise if self.form == "pytorch" else truncated(noise))


def truncated(normal: tf.Tensor) -> tf.Tensor:
    """Turns draws of a normal distribution into those of one cut off at -2 and 2, in their order.

    That is ndtri(Phi(-2) + Phi(draw) (Phi(2) - Phi(-2))), written with erf, which is exact near 0
    and finite everywhere.

    Args:
      normal: float32 [...], of mean 0 and deviation 1.

    Returns:
      float32 [...] in [-2, 2].
    """
    root = math.sqrt(2.0)
    return root * tf.math.erfinv(math.erf(TRUNCATION / root) * tf.math.erf(normal / root))


def kl_divergence(mean: tf.Tensor, log_sigma: tf.Tensor) -> tf.Tensor:
    """Divergence of conditions from the standard normal, a mean over rows and units.

    Args:
      mean: float32 [B, D].
      log_sigma: float32 [B, D].

    Returns:
      float32 scalar.
    """
    variance = tf.exp(2.0 * log_sigma)
    return tf.reduce_mean(-log_sigma + 0.5 * (-1.0 + variance + tf.square(mean)))
