"""Base class of GANs: generated batches, stabilizers, discriminator statistics, samplers."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.adaptive import AdaptiveProbability
from tfgan2.adversarial.augment import Augmentation
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.options import StabilizerOptions
from tfgan2.adversarial.sampler import AnySampler
from tfgan2.adversarial.schedule import Phase, UpdateSchedule
from tfgan2.adversarial.updates import GENERATOR, Batch, Logs, LossInputs, Update
from tfgan2.program import UsageError


@dataclasses.dataclass(frozen=True)
class SharedBatch:
    """Generated batch that all updates of a step share.

    Attributes:
      generated: generated batch, as `generate` returns.
      tape: tape of the generator's forward pass; continues gradients of `generated.image` to the
        generator's variables; None: the generator update runs the forward pass again, so that no
        activations wait for it.
    """

    generated: Any
    tape: tf.GradientTape | None


@dataclasses.dataclass(frozen=True)
class DiscriminatorStatistics:
    """Names of the discriminator statistics in the logs.

    Attributes:
      chance_losses: chance loss by name of a loss: the loss of a discriminator that always
        outputs 0.
      real_logit: name of the mean logit of real images.
      fake_logit: name of the mean logit of generated images.
    """

    chance_losses: Mapping[str, float]
    real_logit: str = "discriminator/real_logit"
    fake_logit: str = "discriminator/fake_logit"


class GAN(MultiUpdateModel):
    """Base of systems with a generator.

    Attributes:
      generator: the live generator.
      average_generator: its float32 EMA.
    """

    generator: keras.Model
    average_generator: keras.Model

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
    def discriminator_blocks(self) -> Sequence[Sequence[keras.layers.Layer]]:
        """Layers of each down-sampling block of the discriminators, from the image side."""
        return ()

    def freeze_discriminator_blocks(self, count: int) -> None:
        """Freezes the weights and moving statistics of the first down-sampling blocks.

        Args:
          count: number of blocks.

        Raises:
          UsageError: the discriminators have fewer blocks.

        Source: Mo et al. 2020, "Freeze the Discriminator: a Simple Baseline for Fine-Tuning GANs".
        """
        blocks = self.discriminator_blocks
        if count > len(blocks):
            rule = f"must be at most {len(blocks)}, the blocks of the discriminator"
            raise UsageError("--freeze_discriminator_blocks", rule, count)
        for block in blocks[:count]:
            for layer in block:
                layer.trainable = False

    @property
    def ema_pairs(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """EMA generator and generator."""
        return ((self.average_generator, self.generator),)

    @property
    def shares_generated_batch(self) -> bool:
        """Whether all updates share one generated batch; otherwise each update generates its own.

        A shared generated batch must have a field `image`; its system defines `generate_again`.
        """
        return False

    def generate_again(self, generated: Any) -> tf.Tensor:
        """Runs the generator on the inputs of a generated batch; returns the same images."""
        raise NotImplementedError

    def start_step(self, parts: Sequence[Batch]) -> Sequence[SharedBatch | None]:
        """Generates for each micro-batch the batch that all updates share."""
        if not self.shares_generated_batch:
            return [None] * len(parts)
        shared: list[SharedBatch] = []
        for part in parts:
            before = [it.generated.image for it in shared[-1:]]
            with tf.control_dependencies(before), tf.GradientTape() as tape:
                generated = self.generate(part, self.noise("drawing", part))
            shared.append(SharedBatch(generated, tape if len(parts) == 1 else None))
        return shared

    def loss_inputs(
        self, update: Update, batch: Batch, phase: Phase, shared: SharedBatch | None
    ) -> LossInputs:
        """Inputs of an update's loss, with the shared generated batch or a new one."""
        inputs = super().loss_inputs(update, batch, phase, shared)
        if not update.needs_generated:
            return inputs
        generated = self.generate(batch, inputs.noise) if shared is None else shared.generated
        return dataclasses.replace(inputs, generated=generated)

    def loss_gradients(
        self,
        update: Update,
        batch: Batch,
        phase: Phase,
        shared: SharedBatch | None,
        *,
        also: Sequence[tf.Tensor] = (),
    ) -> tuple[list[tf.Tensor], Logs]:
        """Gradients of an update's loss, through the shared image in the generator update."""
        if shared is None or update.name != GENERATOR:
            return super().loss_gradients(update, batch, phase, shared, also=also)
        # Chain rule: gradients by the shared image, continued through the generator's own tape.
        image = shared.generated.image
        gradients, terms = super().loss_gradients(update, batch, phase, shared, also=[image])
        *direct, by_image = gradients
        tape, drawn = shared.tape, image
        if tape is None:
            with tf.GradientTape() as tape:
                drawn = self.generate_again(shared.generated)
        through_image = tape.gradient(drawn, update.variables, output_gradients=by_image)
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
