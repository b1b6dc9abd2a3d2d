"""Functions of conditioning augmentation: truncated noise, and the KL divergence of conditions.

Source: Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks", section 3.2, and its two published codes.
"""

import math

import tensorflow as tf

TRUNCATION = 2.0


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
