"""Decay of the exponential moving average (EMA) of the weights."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class EMA:
    """EMA options; samples are drawn with the EMA weights.

    Attributes:
      half_life_images: EMA half-life in real images; 0: the EMA equals the live weights.
      ramp_up: EMA ramp-up; the half-life is at most `ramp_up` times the images trained on so far.
      batch_size: images per global batch.
      earlier_images: images that an earlier run has trained on, whose networks the run starts with.
    """

    half_life_images: float
    ramp_up: float
    batch_size: int
    earlier_images: int = 0

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """EMA decay after step number `step`, which starts at 0: float32 scalar."""
        images = tf.cast(step + 1, tf.float32) * self.batch_size + self.earlier_images
        half_life = tf.minimum(float(self.half_life_images), images * self.ramp_up)
        return tf.pow(0.5, self.batch_size / half_life)
