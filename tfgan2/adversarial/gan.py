"""Base class of GANs: generated batches, stabilizers, discriminator statistics, samplers."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgan2.adversarial.adaptive import AdaptiveProbability
from tfgan2.adversarial.augment import Augmentation
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.options import StabilizerOptions
from tfgan2.adversarial.sampler import AnySampler
from tfgan2.adversarial.schedule import Phase, UpdateSchedule
from tfgan2.adversarial.updates import GENERATOR, Batch, Logs, LossInputs, Update


@dataclasses.dataclass(frozen=True)
class SharedBatch:
    """Generated batch that all updates of a step share.

    Attributes:
      generated: generated batch, as `generate` returns.
      tape: tape of the generator's forward pass; continues gradients of `generated.image` to the
        generator's variables.
    """

    generated: Any
    tape: tf.GradientTape


@dataclasses.dataclass(frozen=True)
class DiscriminatorStatistics:
    """Names of the discriminator statistics in the logs.

    Attributes:
      real_logit: name of the mean logit of real images.
      fake_logit: name of the mean logit of generated images.
      chance_losses: chance loss by name of a loss: the loss of a discriminator that always
        outputs 0.
    """

    real_logit: str
    fake_logit: str
    chance_losses: Mapping[str, float]


class GAN(MultiUpdateModel):
    """Base of systems with a generator."""

    def __init__(self, *, name: str, seed: int, ema: EMA, stabilizers: StabilizerOptions) -> None:
        """Creates the update schedule and the augmentation.

        Args:
          name: name of the system.
          seed: seed of all noise in training steps.
          ema: EMA options.
          stabilizers: stabilizer options.
        """
        schedule = UpdateSchedule(
            discriminator_steps=stabilizers.discriminator_steps,
            penalty_every=stabilizers.penalty_every,
        )
        super().__init__(name=name, seed=seed, ema=ema, schedule=schedule)
        self.augmentation = Augmentation(
            color=stabilizers.augment_color,
            translation_px=stabilizers.augment_translation_px,
            cutout=stabilizers.augment_cutout,
        )
        self.augment_probability = stabilizers.augment_probability
        self.adaptive: AdaptiveProbability | None = None
        if stabilizers.ada_target:
            self.adaptive = AdaptiveProbability(
                target=stabilizers.ada_target,
                images=stabilizers.ada_images,
                batch_size=ema.batch_size,
            )

    @abc.abstractmethod
    def generate(self, batch: Batch, noise: StepNoise) -> Any:
        """Runs the generator on a batch with the update's noise; returns the generated batch."""

    @abc.abstractmethod
    def sampler(self, tokenizer: Any, *, truncation: float) -> AnySampler:
        """Builds the sampler of the EMA networks.

        Args:
          tokenizer: tokenizer of the run; None for a system without captions.
          truncation: default truncation of latents, in (0, 1].
        """

    @property
    @abc.abstractmethod
    def discriminator_statistics(self) -> DiscriminatorStatistics:
        """Names of the discriminator statistics in the logs."""

    @property
    def shares_generated_batch(self) -> bool:
        """Whether all updates share one generated batch; otherwise each update generates its own.

        A shared generated batch must have a field `image`.
        """
        return False

    def start_step(self, batch: Batch) -> SharedBatch | None:
        """Generates the batch that all updates share."""
        if not self.shares_generated_batch:
            return None
        with tf.GradientTape() as tape:
            generated = self.generate(batch, self.noise("drawing", batch))
        return SharedBatch(generated, tape)

    def loss_gradients(
        self, update: Update, batch: Batch, phase: Phase, shared: SharedBatch | None
    ) -> tuple[list[tf.Tensor], Logs]:
        """Gradients of an update's loss, through the generator if the batch is generated here."""
        noise = self.noise(update.name, batch)
        generated: Any = None
        if shared is not None and update.needs_generated:
            generated = shared.generated
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(update.variables)
            if generated is not None:
                tape.watch(generated.image)
            elif update.needs_generated:
                generated = self.generate(batch, noise)
            loss, terms = update.loss(LossInputs(batch, noise, phase, generated))
            scaled = self.scaled_loss(loss, update)
        if shared is None or update.name != GENERATOR:
            return tape.gradient(scaled, update.variables), terms
        # Chain rule: gradients by the shared image, continued through the generator's own tape.
        *direct, by_image = tape.gradient(scaled, [*update.variables, generated.image])
        through_image = shared.tape.gradient(
            generated.image, update.variables, output_gradients=by_image
        )
        gradients = [
            through if own is None else own + through
            for own, through in zip(direct, through_image, strict=True)
        ]
        return gradients, terms

    def finish_step(self, logs: Logs) -> Logs:
        """Adapts the augmentation probability (ADA) and adds the new probability to the logs."""
        signs = [value for name, value in logs.items() if name.endswith("/real_sign")]
        if self.adaptive is None or not signs:
            return logs
        self.adaptive.observe(signs[0], self.step.value())
        return {**logs, "augment/probability": self.adaptive.probability.value()}

    def augmented(
        self,
        image: tf.Tensor,
        noise: StepNoise,
        name: str,
        *,
        lowest_value: float = -1.0,
        every: int = 1,
    ) -> tf.Tensor:
        """Augments images for the discriminator; for the arguments see `Augmentation.__call__`."""
        probability: float | tf.Tensor = self.augment_probability
        if self.adaptive is not None:
            probability = self.adaptive.probability.value()
        return self.augmentation(
            image,
            noise,
            name=name,
            probability=probability,
            lowest_value=lowest_value,
            every=every,
        )
