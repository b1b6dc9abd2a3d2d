"""Update of a training step, and the inputs of its loss."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.schedule import Phase

Batch: TypeAlias = dict[str, Any]
Logs: TypeAlias = dict[str, tf.Tensor]

GENERATOR, PENALTY = "generator", "penalty"
# Key of a micro-batch for its part of the replica's rows.
PART = "part"


@dataclasses.dataclass(frozen=True)
class LossInputs:
    """Inputs of an update's loss.

    Attributes:
      batch: batch of the input pipeline, with token ids instead of strings.
      noise: noise of this update.
      phase: phase of the step.
      generated: generated batch, as the system's `generate` returns; None if the loss needs none.
    """

    batch: Batch
    noise: StepNoise
    phase: Phase
    generated: Any = None


@dataclasses.dataclass(frozen=True)
class Update:
    """Update of networks with one loss and one optimizer.

    Attributes:
      name: name of the update; the schedule can skip `generator` and `penalty` in a step.
      loss: function that returns the loss, a scalar, and the loss terms for the logs, means over
        the rows.
      networks: trained networks; a frozen one may be among them.
      optimizer: optimizer of the networks.
      needs_generated: whether the loss needs a generated batch.
      active_steps: function of the step number, from 0; returns whether the update is applied in
        this step; None: applied in every step.
      simultaneous: whether the gradients are computed at the same weights as in the previous
        update, before either update is applied.
    """

    name: str
    loss: Callable[[LossInputs], tuple[tf.Tensor, Logs]]
    networks: Sequence[keras.Model]
    optimizer: keras.optimizers.Optimizer
    needs_generated: bool = True
    active_steps: Callable[[tf.Tensor], tf.Tensor] | None = None
    simultaneous: bool = False

    @functools.cached_property
    def variables(self) -> list[tf.Variable]:
        """Trained variables."""
        return [it for network in self.networks for it in network.trainable_variables]


def runs_in(update_name: str, phase: Phase) -> bool:
    """Whether the update of a name runs in a phase."""
    if update_name == GENERATOR:
        return phase.updates_generator
    return update_name != PENALTY or phase.penalty_factor > 0.0
