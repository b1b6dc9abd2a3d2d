"""How often images are augmented, as the discriminator's overfitting demands.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
section 3.1 (ADA).
"""

import tensorflow as tf

STEPS = 4


class AdaptiveProbability(tf.Module):
    """A probability that grows while real images are too easily told, and falls when they aren't.

    Attributes:
      probability: float32, saved with the game: 0 at first.
    """

    def __init__(self, *, target: float, images: int, batch_size: int) -> None:
        """Starts at 0.

        Args:
          target: of the mean sign of what the discriminator says of real images (published: 0.6).
          images: seen while the probability goes from 0 to 1 at most (published: 500,000).
          batch_size: rows of a global batch.
        """
        super().__init__(name="adaptive")
        self._target = target
        self._change = STEPS * batch_size / images
        self.probability = self._number("probability")
        self._signs = self._number("signs")

    def observe(self, sign: tf.Tensor, step: tf.Tensor) -> None:
        """Takes note of a step, and moves after every fourth; to be called by a replica.

        Args:
          sign: mean over the global batch of the sign of what is said of real images.
          step: number of the step, from 0 on.
        """
        # Where float16 overflows, there is nothing to be learned.
        total = self._signs + tf.where(tf.math.is_finite(sign), sign, self._target)
        due = tf.equal(tf.math.floormod(step + 1, STEPS), 0)
        change = self._change * tf.sign(total / STEPS - self._target)
        moved = tf.clip_by_value(self.probability + change, 0.0, 1.0)
        self.probability.assign(tf.where(due, moved, self.probability))
        self._signs.assign(tf.where(due, 0.0, total))

    @staticmethod
    def _number(name: str) -> tf.Variable:
        return tf.Variable(
            0.0,
            trainable=False,
            name=name,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
