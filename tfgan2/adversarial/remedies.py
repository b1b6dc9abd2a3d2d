"""Schedule of the updates."""

import dataclasses
import itertools
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Turn:
    """Phase of a step: the optional parts that run in this step.

    Attributes:
      generates: whether the generator update runs.
      penalizes: whether gradient penalties are computed.
    """

    generates: bool = True
    penalizes: bool = True


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """Update schedule: the phase of every step, counted from the start of the run.

    Attributes:
      discriminator_steps: n_critic, discriminator steps per generator step; the generator update
        runs in the last of `discriminator_steps` steps.
      penalty_every: lazy regularization interval in steps; penalties run in the last of
        `penalty_every` steps, with weights multiplied by `penalty_every`.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets", algorithm 1 (k discriminator
      steps, each with its own batch, as here); Karras et al. 2020, "Analyzing and Improving the
      Image Quality of StyleGAN", section 3.1 (lazy regularization). There the penalty is a separate
      optimizer step and Adam is adjusted for it; here the penalty is a term of the loss.
    """

    discriminator_steps: int = 1
    penalty_every: int = 1

    def turn(self, step: int) -> Turn:
        """Phase of step number `step`, which starts at 0."""
        return Turn(
            generates=(step + 1) % self.discriminator_steps == 0,
            penalizes=(step + 1) % self.penalty_every == 0,
        )

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All phases of the schedule; the first phase runs everything."""
        every = (Turn(*has) for has in itertools.product((True, False), repeat=2))
        return tuple(turn for turn in every if turn in self._cycle)

    def number(self, step: tf.Tensor) -> tf.Tensor:
        """Phase index of step number `step`, as an index of `turns`: int32 scalar."""
        numbers = tf.constant([self.turns.index(turn) for turn in self._cycle])
        return tf.gather(numbers, tf.math.floormod(step, len(self._cycle)))

    @property
    def _cycle(self) -> list[Turn]:
        return [
            self.turn(step)
            for step in range(math.lcm(self.discriminator_steps, self.penalty_every))
        ]
