"""Adaptive discriminator augmentation: a probability that follows the overfitting.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
section 3.1 (ADA).
"""

import tensorflow as tf

from tfgan2.adversarial.update_guards import equal_on_replicas

STEPS = 4


class AdaptiveProbability(tf.Module):
    """Augmentation probability: rises while r_t exceeds its target, and falls below the target.

    Attributes:
      probability: float32 scalar in [0, 1], saved in checkpoints; starts at 0.
    """

    def __init__(self, *, target: float, images: int, batch_size: int) -> None:
        """Creates the variables, all 0.

        Args:
          target: target of r_t, the mean sign of the logits of real images (published: 0.6).
          images: fewest real images in which the probability can rise from 0 to 1
            (published: 500,000).
          batch_size: images per global batch.
        """
        super().__init__(name="adaptive")
        self._target = target
        self._change = STEPS * batch_size / images
        self.probability = equal_on_replicas(0.0, name="probability")
        self._signs = equal_on_replicas(0.0, name="signs")

    def observe(self, sign: tf.Tensor, step: tf.Tensor) -> None:
        """Adds r_t of a step; every fourth step changes the probability. Call in replica context.

        Args:
          sign: r_t, mean sign of the logits of real images over the global batch; float32 scalar.
          step: step number, from 0; int64 scalar.
        """
        # A float16 overflow counts as the target, so the overflow does not change the probability.
        total = self._signs + tf.where(tf.math.is_finite(sign), sign, self._target)
        due = tf.equal(tf.math.floormod(step + 1, STEPS), 0)
        change = self._change * tf.sign(total / STEPS - self._target)
        adapted = tf.clip_by_value(self.probability + change, 0.0, 1.0)
        self.probability.assign(tf.where(due, adapted, self.probability))
        self._signs.assign(tf.where(due, 0.0, total))
