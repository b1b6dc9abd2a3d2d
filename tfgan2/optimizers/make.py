"""Optimizers of most systems: Adam by default, with optional learning rate decay."""

from collections.abc import Iterable

import tf_keras as keras

from tfgan2.optimizers.learning_rates import falling
from tfgan2.optimizers.named import make
from tfgan2.optimizers.options import OptimizerOptions


def make_optimizers(
    options: OptimizerOptions, names: Iterable[str], *, steps_per_epoch: float
) -> dict[str, keras.optimizers.Optimizer]:
    """Creates an optimizer per name.

    Args:
      options: options of the optimizers.
      names: names of updates; `generator` gets the generator's optimizer and learning rate, every
        other name those of the discriminator.
      steps_per_epoch: training steps per epoch.
    """

    def optimizer(name: str) -> keras.optimizers.Optimizer:
        network = "generator" if name == "generator" else "discriminator"
        every = options.discriminator_steps if name == "generator" else 1
        rate = getattr(options, f"{network}_learning_rate")
        schedule = falling(rate, options, steps_per_epoch=steps_per_epoch / every)
        flag = f"{network}_optimizer"
        return make(getattr(options, flag), options, learning_rate=schedule, flag=f"--{flag}")

    return {name: optimizer(name) for name in names}
