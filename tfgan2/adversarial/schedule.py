"""Update schedule: which optional parts run in which training step."""

import dataclasses
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True, order=True)
class Phase:
    """Phase of a step: the optional parts that run in this step.

    Attributes:
      updates_generator: whether the generator update runs.
      penalty_factor: factor of the weights of gradient penalties; 0: no penalties in this step.
    """

    updates_generator: bool = True
    penalty_factor: float = 1.0

    @property
    def runs_everything(self) -> bool:
        """Whether all optional parts run."""
        return self.updates_generator and self.penalty_factor > 0.0


@dataclasses.dataclass(frozen=True)
class UpdateSchedule:
    """Phase of every step, counted from the start of the run.

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

    def phase(self, step: int) -> Phase:
        """Phase of step number `step`, which starts at 0."""
        penalizes = (step + 1) % self.penalty_every == 0
        return Phase(
            updates_generator=(step + 1) % self.discriminator_steps == 0,
            penalty_factor=float(self.penalty_every) if penalizes else 0.0,
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases of the schedule; the first phase runs everything."""
        return tuple(sorted(set(self._cycle), reverse=True))

    def phase_index(self, step: tf.Tensor) -> tf.Tensor:
        """Phase of step number `step`, as an index of `phases`: int32 scalar."""
        phases = self.phases
        indices = tf.constant([phases.index(phase) for phase in self._cycle])
        return tf.gather(indices, tf.math.floormod(step, len(self._cycle)))

    @property
    def _cycle(self) -> list[Phase]:
        length = math.lcm(self.discriminator_steps, self.penalty_every)
        return [self.phase(step) for step in range(length)]
