"""Learning rate schedules of the papers."""

import dataclasses

import tensorflow as tf
import tf_keras as keras

from tfgan2.optimizers.options import OptimizerOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is constant at first, and then decays linearly to 0.

    Attributes:
      start: learning rate up to `first_step`.
      first_step: step at which the decay starts.
      last_step: step from which the learning rate is 0.
    """

    start: float
    first_step: float
    last_step: float

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Learning rate at a step."""
        left = (self.last_step - tf.cast(step, tf.float32)) / (self.last_step - self.first_step)
        return self.start * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, float]:
        """Arguments of the constructor."""
        return dataclasses.asdict(self)


def falling(
    rate: float, options: OptimizerOptions, *, steps_per_epoch: float
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Learning rate of an optimizer: a constant, or a schedule.

    Args:
      rate: initial learning rate.
      options: options of the learning rate decay.
      steps_per_epoch: steps of the optimizer per epoch.
    """
    halving_steps = round(options.learning_rate_halving_epochs * steps_per_epoch)
    if halving_steps:
        decay = keras.optimizers.schedules.ExponentialDecay
        return decay(rate, halving_steps, 0.5, staircase=True)
    if options.learning_rate_linear_to_epochs:
        return Linear(
            start=rate,
            first_step=options.learning_rate_linear_from_epochs * steps_per_epoch,
            last_step=options.learning_rate_linear_to_epochs * steps_per_epoch,
        )
    return rate
