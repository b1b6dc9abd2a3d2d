"""Parts of a training step: updates, the shared generated batch, discriminator statistics."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import tensorflow as tf
import tf_keras as keras

Batch: TypeAlias = dict[str, Any]
Parts: TypeAlias = dict[str, tf.Tensor]

GENERATOR, PENALTY = "generator", "penalty"


@dataclasses.dataclass(frozen=True)
class Update:
    """Update of one network with one loss and one optimizer.

    Attributes:
      name: name of the update; the recipe's schedule can skip `generator` and `penalty` in a step.
      loss: function of a batch and the generated batch; returns the loss, a scalar, and the loss
        terms for the logs, means over the rows.
      draws: whether the loss needs a generated batch; if not, `loss` gets the update's noise.
      variables: trained variables.
      optimizer: optimizer of `variables`.
      active_steps: function of the step number, from 0; returns whether the update is applied in
        this step; None: applied in every step.
      simultaneous: whether the gradients are computed at the same weights as in the previous
        update, before either update is applied.
    """

    name: str
    loss: Callable[[Batch, Any], tuple[tf.Tensor, Parts]]
    variables: list[tf.Variable]
    optimizer: keras.optimizers.Optimizer
    draws: bool = True
    active_steps: Callable[[tf.Tensor], tf.Tensor] | None = None
    simultaneous: bool = False


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Generated batch that all updates of a step share.

    Attributes:
      fakes: generated batch, as `generate` returns.
      tape: tape of the generator's forward pass; continues gradients of `fakes.image` to the
        generator's variables.
    """

    fakes: Any
    tape: tf.GradientTape

    def gradients(
        self, tape: tf.GradientTape, loss: tf.Tensor, variables: list[tf.Variable]
    ) -> list[tf.Tensor]:
        """Gradients of a loss on `tape`, which watches the variables and `fakes.image`."""
        *direct, by_image = tape.gradient(loss, [*variables, self.fakes.image])
        drawn = self.tape.gradient(self.fakes.image, variables, output_gradients=by_image)
        return [
            through if own is None else own + through
            for own, through in zip(direct, drawn, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class Judging:
    """Names of the discriminator statistics in the logs.

    Attributes:
      real: name of the mean logit of real images.
      fake: name of the mean logit of generated images.
      guessing: chance loss by name of a loss: the loss of a discriminator that always outputs 0.
    """

    real: str
    fake: str
    guessing: Mapping[str, float]
