"""Learning rate schedules of the papers."""

import tensorflow as tf
import tf_keras as keras


class Linear(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is constant at first, and then decays linearly to 0."""

    def __init__(self, *, start: float, first_step: float, last_step: float) -> None:
        """Stores the schedule.

        Args:
          start: learning rate up to `first_step`.
          first_step: step at which the decay starts.
          last_step: step from which the learning rate is 0.
        """
        super().__init__()
        self.start, self.first_step, self.last_step = start, first_step, last_step

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Learning rate at a step."""
        left = (self.last_step - tf.cast(step, tf.float32)) / (self.last_step - self.first_step)
        return self.start * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, float]:
        """Arguments of the constructor."""
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
    """Learning rate of an optimizer: a constant, or a schedule.

    Args:
      rate: initial learning rate.
      halving_epochs: epochs between halvings; 0: never.
      linear_from_epochs: epochs before the linear decay starts.
      linear_to_epochs: epochs after which the linear decay reaches 0; 0: no linear decay.
      steps_per_epoch: steps of the optimizer per epoch.
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
