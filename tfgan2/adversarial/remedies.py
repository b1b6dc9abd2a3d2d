"""What the field does against a game that goes wrong: options that every game with judges takes."""

import dataclasses
import itertools
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Remedies:
    """Remedies that need no caption; every field is a field of the recipe."""

    r1_weight: float
    r2_weight: float
    penalty_every: int
    discriminator_spectral_norm: bool
    augment_color: bool
    augment_translation_px: int
    augment_cutout: float
    augment_probability: float
    ada_target: float
    ada_images: int
    minibatch_group: int
    discriminator_steps: int
    label_smoothing: float


@dataclasses.dataclass(frozen=True)
class MatchingRemedies(Remedies):
    """Those, and the penalty at real images with their own captions."""

    ma_gp_weight: float
    ma_gp_power: float
    ma_gp_norm: str


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a step has of what is not in every step.

    Attributes:
      generates: the generator moves.
      penalizes: gradient penalties are taken.
    """

    generates: bool = True
    penalizes: bool = True


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """Which steps have what, counted from the start of the run.

    Attributes:
      discriminator_steps: of so many steps, the generator moves in the last alone.
      penalty_every: of so many steps, the last alone has penalties, with so many times their
        weight.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets", algorithm 1 (k steps of the
      discriminator), where each of them has a batch of its own too; Karras et al. 2020, "Analyzing
      and Improving the Image Quality of StyleGAN", section 3.1 (lazy regularization). There a
      penalty is a step of its own, for which Adam is corrected; here it is a part of the loss.
    """

    discriminator_steps: int = 1
    penalty_every: int = 1

    def turn(self, step: int) -> Turn:
        """What a step has; the first step is 0."""
        return Turn(
            generates=(step + 1) % self.discriminator_steps == 0,
            penalizes=(step + 1) % self.penalty_every == 0,
        )

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All that there are; the first has everything."""
        every = (Turn(*has) for has in itertools.product((True, False), repeat=2))
        return tuple(turn for turn in every if turn in self._cycle)

    def number(self, step: tf.Tensor) -> tf.Tensor:
        """Which of `turns` a step is: int32 scalar, from that of the step."""
        numbers = tf.constant([self.turns.index(turn) for turn in self._cycle])
        return tf.gather(numbers, tf.math.floormod(step, len(self._cycle)))

    @property
    def _cycle(self) -> list[Turn]:
        return [
            self.turn(step)
            for step in range(math.lcm(self.discriminator_steps, self.penalty_every))
        ]
