"""Optimizers of most systems: Adam by default, with optional learning rate decay."""

from collections.abc import Iterable

import tf_keras as keras

from tfgan2.optimizers.learning_rates import falling
from tfgan2.optimizers.named import Numbers, make
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
        schedule = falling(
            getattr(options, f"{network}_learning_rate"),
            halving_epochs=options.learning_rate_halving_epochs,
            linear_from_epochs=options.learning_rate_linear_from_epochs,
            linear_to_epochs=options.learning_rate_linear_to_epochs,
            steps_per_epoch=steps_per_epoch / every,
        )
        numbers = Numbers(
            learning_rate=schedule,
            beta1=options.adam_beta1,
            beta2=options.adam_beta2,
            epsilon=options.adam_epsilon,
        )
        flag = f"{network}_optimizer"
        return make(getattr(options, flag), numbers, flag=f"--{flag}")

    return {name: optimizer(name) for name in names}
