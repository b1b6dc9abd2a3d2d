"""What a step of a game is made of: players' moves, what they draw, what judges them."""

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
    """One player's move.

    Attributes:
      name: of the player; what is called `generator` or `penalty` is left out of some steps if the
        recipe says so.
      loss: from a batch and the fakes to a scalar and its named parts, means over the rows.
      draws: whether there are fakes; the loss has the update's noise in their place if not.
      variables: what moves.
      optimizer: how it moves.
      active_steps: from a step's number, from 0 on, to whether the update moves anything in it;
        None: in every step.
      simultaneous: whether its gradients are taken where those of the update before it are, before
        either moves anything.
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
    """What a step has drawn once for all of its updates.

    Attributes:
      fakes: as `generate` returns them.
      tape: by which gradients of their `image` go on to the generator.
    """

    fakes: Any
    tape: tf.GradientTape

    def gradients(
        self, tape: tf.GradientTape, loss: tf.Tensor, variables: list[tf.Variable]
    ) -> list[tf.Tensor]:
        """Gradients of a loss on `tape`, which has watched the variables and the image."""
        *direct, by_image = tape.gradient(loss, [*variables, self.fakes.image])
        drawn = self.tape.gradient(self.fakes.image, variables, output_gradients=by_image)
        return [
            through if own is None else own + through
            for own, through in zip(direct, drawn, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class Judging:
    """Which parts of a step say how the discriminator does.

    Attributes:
      real: name of its mean logit at real images.
      fake: name of its mean logit at generated images.
      guessing: by name of its losses, what they are where all its logits are 0.
    """

    real: str
    fake: str
    guessing: Mapping[str, float]
