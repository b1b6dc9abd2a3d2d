"""Learning rates that fall as the papers let them."""

import tensorflow as tf
import tf_keras as keras


class Linear(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is kept for so many steps, and then falls in a straight line to 0."""

    def __init__(self, *, start: float, first_step: float, last_step: float) -> None:
        """Sets the line.

        Args:
          start: the rate up to `first_step`.
          first_step: from which it falls.
          last_step: from which it is 0.
        """
        super().__init__()
        self.start, self.first_step, self.last_step = start, first_step, last_step

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate at a step."""
        left = (self.last_step - tf.cast(step, tf.float32)) / (self.last_step - self.first_step)
        return self.start * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, float]:
        """Its arguments."""
        return {
            "start": self.start,
            "first_step": self.first_step,
            "last_step": self.last_step,
        }


def falling(
    rate: float,
    *,
    halving_epochs: float,
    linear_from_epochs: float,
    linear_to_epochs: float,
    steps_per_epoch: float,
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Makes the rate of an optimizer.

    Args:
      rate: at the start.
      halving_epochs: passes over the data after each of which it is halved; 0: never.
      linear_from_epochs: passes after which it begins to fall in a straight line.
      linear_to_epochs: passes after which it is 0; 0: it does not fall so.
      steps_per_epoch: moves of the optimizer in a pass over the data.
    """
    halving_steps = round(halving_epochs * steps_per_epoch)
    if halving_steps:
        decay = keras.optimizers.schedules.ExponentialDecay
        return decay(rate, halving_steps, 0.5, staircase=True)
    if linear_to_epochs:
        return Linear(
            start=rate,
            first_step=linear_from_epochs * steps_per_epoch,
            last_step=linear_to_epochs * steps_per_epoch,
        )
    return rate
