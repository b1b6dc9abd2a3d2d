"""How the average of the weights, which is what is sampled, follows them."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Averaging:
    """How the exponential moving average of what is sampled follows the live weights.

    Attributes:
      half_life_images: after so many real images a weight counts half; 0 takes the live weights.
      ramp_up: the half-life is at most this share of the images seen so far.
      batch_size: rows of a global batch.
    """

    half_life_images: float
    ramp_up: float
    batch_size: int

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """Weight of the average against the live value after step number `step`, from 0 on."""
        images = tf.cast(step + 1, tf.float32) * self.batch_size
        half_life = tf.minimum(float(self.half_life_images), images * self.ramp_up)
        return tf.pow(0.5, self.batch_size / half_life)
