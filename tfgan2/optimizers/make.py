"""Optimizers of most systems: Adam by default, with optional learning rate decay."""

from collections.abc import Mapping

import tf_keras as keras

from tfgan2.optimizers.learning_rates import falling
from tfgan2.optimizers.named import Numbers, make
from tfgan2.optimizers.options import OptimizerOptions


def make_adams(
    options: OptimizerOptions, rates: Mapping[str, float], *, steps_per_epoch: float
) -> dict[str, keras.optimizers.Optimizer]:
    """Creates an optimizer for every name in `rates`.

    Args:
      options: options of all the optimizers.
      rates: learning rates by name; `generator` gets the generator's optimizer and schedule.
      steps_per_epoch: training steps per epoch.
    """

    def schedule(name: str) -> float | keras.optimizers.schedules.LearningRateSchedule:
        every = options.discriminator_steps if name == "generator" else 1
        return falling(
            rates[name],
            halving_epochs=options.learning_rate_halving_epochs,
            linear_from_epochs=options.learning_rate_linear_from_epochs,
            linear_to_epochs=options.learning_rate_linear_to_epochs,
            steps_per_epoch=steps_per_epoch / every,
        )

    def optimizer(name: str) -> keras.optimizers.Optimizer:
        generates = name == "generator"
        flag = "generator_optimizer" if generates else "discriminator_optimizer"
        numbers = Numbers(
            learning_rate=schedule(name),
            beta1=options.adam_beta1,
            beta2=options.adam_beta2,
            epsilon=options.adam_epsilon,
        )
        return make(getattr(options, flag), numbers, flag=f"--{flag}")

    return {name: optimizer(name) for name in rates}
