"""Options of the optimizers; this module imports no TensorFlow."""

import dataclasses

from tfgan2.options import Options, option
from tfgan2.program import UsageError


@dataclasses.dataclass(frozen=True)
class UpdateScheduleOptions(Options):
    """Optimizers: schedule of the updates."""

    discriminator_steps: int = option(
        1,
        "discriminator steps per generator step (n_critic); each step has its own batch",
        low=1,
        since="0.2.0",
    )
    penalty_every: int = option(
        1,
        "lazy regularization interval in steps: MA-GP, R1 and R2 run in the last step of each "
        "interval, with weights multiplied by the interval",
        low=1,
        since="0.2.0",
    )


@dataclasses.dataclass(frozen=True)
class OptimizerOptions(UpdateScheduleOptions):
    """Optimizers: of all networks, and their learning rates."""

    generator_optimizer: str = option(
        "adam",
        "generator optimizer: a Keras name; pytorch_adam: Adam with PyTorch's epsilon; on the "
        "TensorFlow Addons line a name such as addons.LAMB or "
        "addons.Lookahead(adam, sync_period=5)",
        since="0.2.0",
    )
    discriminator_optimizer: str = option(
        "adam", "discriminator optimizer, as for --generator_optimizer", since="0.2.0"
    )
    generator_learning_rate: float = option(1e-4, "learning rate of the generator", low=0.0)
    discriminator_learning_rate: float = option(4e-4, "learning rate of the discriminator", low=0.0)
    learning_rate_halving_epochs: float = option(
        0.0, "epochs between halvings of the learning rates; 0: never", low=0.0
    )
    learning_rate_linear_from_epochs: float = option(
        0.0, "epochs before the learning rates start to decay linearly", low=0.0, since="0.2.0"
    )
    learning_rate_linear_to_epochs: float = option(
        0.0,
        "epochs after which the linear decay reaches 0; 0: no linear decay",
        low=0.0,
        since="0.2.0",
    )
    adam_beta1: float = option(
        0.0, "beta1 of Adam and other optimizers with beta1", low=0.0, high=0.9999
    )
    adam_beta2: float = option(
        0.9, "beta2 of Adam and other optimizers with beta2", low=0.0, high=0.9999
    )
    adam_epsilon: float = option(1e-8, "epsilon of Adam and other optimizers with epsilon", low=0.0)

    def check(self) -> None:
        """Checks the learning rate decay."""
        first, last = self.learning_rate_linear_from_epochs, self.learning_rate_linear_to_epochs
        if (first or last) and first >= last:
            rule = f"must be above --learning_rate_linear_from_epochs={first}"
            raise UsageError("--learning_rate_linear_to_epochs", rule, last)
        if last and self.learning_rate_halving_epochs:
            rule = "must be 0 where rates are halved"
            raise UsageError("--learning_rate_linear_to_epochs", rule, last)
        super().check()
