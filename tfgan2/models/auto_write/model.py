"""auto-write: an unconditional GAN of handwritten digits.

Source: networks and learning rates of the notebook GAN-auto-write (2017), with the training loop of
Bruner and Deshpande 2017, "Generative Adversarial Networks for Beginners". Two optimizers train the
discriminator, one on real and one on generated images, first without and then with the generator;
as in their loop, both gradients are computed at the same weights.
Differences from the notebook, unless `faithful`:
- The notebook selects variables by name, and so does not train the offsets of the generator's batch
  normalizations.
- The notebook's last layer starts near zero, so all images stay grey for thousands of steps; here
  that layer starts with He's initialization.
The notebook also samples with batch statistics; here an image never depends on its batch. The
notebook has no R1, R2, translation, latent signs, other numbers of channels or single discriminator
optimizer; all are off by default.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties, spectral
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.gan import GAN, DiscriminatorStatistics
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import UnconditionalSampler
from tfgan2.adversarial.updates import GENERATOR, Batch, Logs, LossInputs, Update
from tfgan2.models.auto_write.networks import Discriminator, Generator
from tfgan2.models.auto_write.options import AutoWriteOptions
from tfgan2.models.layers.blocks import DType
from tfgan2.optimizers.make import make_optimizers
from tfgan2.text.tokenizers import Tokenizer

# Lower end of the value range.
LOWEST_VALUE = 0.0


class AutoWrite(GAN):
    """auto-write; the generator trains after the warm-up of the discriminator."""

    reads = None

    def __init__(
        self,
        options: AutoWriteOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        ema: EMA,
        dtype: DType = "float32",
    ) -> None:
        """Builds the networks; arguments as for `MatchingAwareGAN`; without a vocabulary."""
        super().__init__(name="auto_write", seed=options.seed, ema=ema, stabilizers=options)
        self.options = options
        self.generator, self.average_generator = (
            Generator(options, image_channels=image_channels, dtype=it) for it in (dtype, "float32")
        )
        self.discriminator = Discriminator(
            image_channels=image_channels,
            minibatch_group=options.minibatch_group,
            dtype=dtype,
        )
        if options.discriminator_spectral_norm:
            spectral.normalize(self.discriminator)
        self.initialize_ema()

    @property
    def discriminator_blocks(self) -> list[list[keras.layers.Layer]]:
        """The convolutions, each of which pooling follows."""
        return [[convolution] for convolution in self.discriminator.convolutions]

    @property
    def discriminator_statistics(self) -> DiscriminatorStatistics:
        """Names of the discriminator statistics in the logs."""
        chance = losses.CHANCE_LOSS["bce"]
        if self._joint:
            return DiscriminatorStatistics({"discriminator/loss": chance})
        halves = {"real/loss": chance / 2.0, "fake/loss": chance / 2.0}
        return DiscriminatorStatistics(halves, "real/logit", "fake/logit")

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator on real images, on generated images, and, after the warm-up, generator."""
        trained, by_name = [self.discriminator], self.optimizers
        if self._joint:
            discriminator = [
                Update("discriminator", self.joint_loss, trained, by_name["discriminator"])
            ]
        else:
            discriminator = [
                Update("real", self.real_loss, trained, by_name["real"], needs_generated=False),
                Update("fake", self.fake_loss, trained, by_name["fake"], simultaneous=True),
            ]
        generator = Update(
            GENERATOR,
            self.generator_loss,
            [self.generator],
            by_name[GENERATOR],
            active_steps=lambda step: step >= self.options.warm_up_steps,
        )
        return (*discriminator, generator)

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """The recipe's optimizers: one for the generator, one or two for the discriminator."""
        discriminator = ("discriminator",) if self._joint else ("real", "fake")
        names = (*discriminator, "generator")
        steps_per_epoch = images_per_epoch / self.ema.batch_size
        return make_optimizers(self.options, names, steps_per_epoch=steps_per_epoch)

    def generate(self, batch: Batch, noise: StepNoise) -> tf.Tensor:
        """Generates one image per row of the batch: float32 [B, 28, 28, C] in [0, 1]."""
        latent = noise.normal("latent", self.options.latent_size)
        return self.generator(latent, training=True)

    def real_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """BCE of real images with label 1, plus R1."""
        image = (inputs.batch["image"] + 1.0) / 2.0
        logit, r1 = self._logits_and_penalty(image, inputs, "real", self.options.r1_weight)
        loss = losses.bce_with_label_1(logit, smoothing=self.options.label_smoothing)
        logs = {"loss": loss, "r1": r1, "logit": tf.reduce_mean(logit)}
        if self.adaptive is not None:
            logs["real_sign"] = tf.reduce_mean(tf.sign(logit))
        return loss + r1, logs

    def fake_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """BCE of generated images with label 0, plus R2."""
        logit, r2 = self._logits_and_penalty(
            inputs.generated, inputs, "fake", self.options.r2_weight
        )
        loss = losses.bce_with_label_0(logit)
        return loss + r2, {"loss": loss, "r2": r2, "logit": tf.reduce_mean(logit)}

    def joint_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Sum of `real_loss` and `fake_loss`."""
        real, of_real = self.real_loss(inputs)
        fake, of_fake = self.fake_loss(inputs)
        logs = {
            "loss": of_real["loss"] + of_fake["loss"],
            "r1": of_real["r1"],
            "r2": of_fake["r2"],
            "real_logit": of_real["logit"],
            "fake_logit": of_fake["logit"],
        }
        if self.adaptive is not None:
            logs["real_sign"] = of_real["real_sign"]
        return real + fake, logs

    def generator_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """BCE of generated images with label 1."""
        logit = self.discriminator(self._augmented(inputs.generated, inputs.noise))
        loss = losses.bce_with_label_1(logit)
        return loss, {"loss": loss}

    def sampler(self, tokenizer: Tokenizer | None, *, truncation: float) -> UnconditionalSampler:
        """Sampler of the EMA generator; the tokenizer is ignored."""
        return UnconditionalSampler(
            generator=self.average_generator,
            latent_size=self.options.latent_size,
            truncation=truncation,
            lowest_value=LOWEST_VALUE,
        )

    @property
    def _joint(self) -> bool:
        return self.options.discriminator_update == "joint"

    def _logits_and_penalty(
        self, image: tf.Tensor, inputs: LossInputs, update: str, weight: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits [B] of images, and the weighted gradient penalty at the images."""

        def critic(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logit = self.discriminator(self._augmented(image, inputs.noise))
            return logit, logit

        weight *= inputs.phase.penalty_factor
        scale = self.loss_scale("discriminator" if self._joint else update)
        logit, gradients = penalties.input_gradients(
            critic, [image], scale=scale, needed=weight > 0.0
        )
        if not gradients:
            return logit, tf.constant(0.0)
        return logit, penalties.zero_centred(gradients, weight=weight)

    def _augmented(self, image: tf.Tensor, noise: StepNoise) -> tf.Tensor:
        return self.augmented(image, noise, "shift", lowest_value=LOWEST_VALUE)
