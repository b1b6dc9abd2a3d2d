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

import dataclasses

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties, spectral
from tfgan2.adversarial.ema import Averaging
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import UnconditionalSampler
from tfgan2.adversarial.updates import Batch, Judging, Parts, Update
from tfgan2.models.auto_write.networks import Discriminator, Generator
from tfgan2.models.auto_write.options import AutoWriteOptions
from tfgan2.models.layers.blocks import DType
from tfgan2.optimizers.make import make_adams
from tfgan2.text.tokenizers import Tokenizer

BLACK = 0.0


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Generated images float32 [B, 28, 28, C] in [0, 1], and the update's noise."""

    image: tf.Tensor
    noise: StepNoise


class AutoWrite(GAN):
    """auto-write; the generator trains after the warm-up of the discriminator."""

    reads = None

    def __init__(
        self,
        options: AutoWriteOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        averaging: Averaging,
        dtype: DType = "float32",
    ) -> None:
        """Builds the networks.

        Args:
          options: options of the system.
          image_channels: 1 or 3.
          vocabulary_size: ignored; the system has no captions.
          averaging: EMA options.
          dtype: dtype policy of the live networks; the EMA generator is float32.
        """
        super().__init__(
            name="auto_write", seed=options.seed, averaging=averaging, remedies=options
        )
        self.options = options

        def generator(dtype: DType) -> Generator:
            return Generator(
                image_channels=image_channels,
                latent_size=options.latent_size,
                latent_signs=options.latent_signs,
                first_channels=options.first_channels,
                second_channels=options.second_channels,
                faithful=options.faithful,
                dtype=dtype,
            )

        self.generator, self.average_generator = generator(dtype), generator("float32")
        self.discriminator = Discriminator(
            image_channels=image_channels,
            minibatch_group=options.minibatch_group,
            dtype=dtype,
        )
        if options.discriminator_spectral_norm:
            spectral.divide(self.discriminator)
        self.start_averages()

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """EMA generator and generator."""
        return ((self.average_generator, self.generator),)

    @property
    def judging(self) -> Judging:
        """Names of the discriminator statistics in the logs."""
        guessing = losses.OF_GUESSING["bce"]
        if self._joint:
            whole = {"discriminator/loss": guessing}
            return Judging("discriminator/real_logit", "discriminator/fake_logit", whole)
        halves = {"real/loss": guessing / 2.0, "fake/loss": guessing / 2.0}
        return Judging("real/logit", "fake/logit", halves)

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator on real images, on generated images, and, after the warm-up, generator."""
        judges = self.discriminator.trainable_variables
        by_name = self.optimizers
        if self._joint:
            judging = [Update("discriminator", self.joint_loss, judges, by_name["discriminator"])]
        else:
            judging = [
                Update("real", self.real_loss, judges, by_name["real"], draws=False),
                Update("fake", self.fake_loss, judges, by_name["fake"], simultaneous=True),
            ]
        return (
            *judging,
            Update(
                "generator",
                self.generator_loss,
                self.generator.trainable_variables,
                by_name["generator"],
                active_steps=lambda step: step >= self.options.warm_up_steps,
            ),
        )

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """The recipe's optimizers: one for the generator, one or two for the discriminator."""
        options = self.options
        names = ("discriminator",) if self._joint else ("real", "fake")
        rates = dict.fromkeys(names, options.discriminator_learning_rate)
        rates["generator"] = options.generator_learning_rate
        steps_per_epoch = images_per_epoch / self.averaging.batch_size
        return make_adams(options, rates, steps_per_epoch=steps_per_epoch)

    def generate(self, batch: Batch, noise: StepNoise) -> Fakes:
        """Generates one image per row of the batch."""
        latent = noise.normal("latent", self.options.latent_size)
        return Fakes(image=self.generator(latent, training=True), noise=noise)

    def real_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """BCE of real images with label 1, plus R1."""
        image = (batch["image"] + 1.0) / 2.0
        logit, penalty = self._judge(image, noise, update="real", weight=self.options.r1_weight)
        loss = losses.taken_for_real(logit, smoothing=self.options.label_smoothing)
        parts = {"loss": loss, "r1": penalty, "logit": tf.reduce_mean(logit)}
        if self.adaptive is not None:
            parts["real_sign"] = tf.reduce_mean(tf.sign(logit))
        return loss + penalty, parts

    def fake_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """BCE of generated images with label 0, plus R2."""
        logit, penalty = self._judge(
            fakes.image, fakes.noise, update="fake", weight=self.options.r2_weight
        )
        loss = losses.taken_for_fake(logit)
        return loss + penalty, {"loss": loss, "r2": penalty, "logit": tf.reduce_mean(logit)}

    def joint_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Sum of `real_loss` and `fake_loss`."""
        real, of_real = self.real_loss(batch, fakes.noise)
        fake, of_fake = self.fake_loss(batch, fakes)
        parts = {
            "loss": of_real["loss"] + of_fake["loss"],
            "r1": of_real["r1"],
            "r2": of_fake["r2"],
            "real_logit": of_real["logit"],
            "fake_logit": of_fake["logit"],
        }
        if self.adaptive is not None:
            parts["real_sign"] = of_real["real_sign"]
        return real + fake, parts

    def generator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """BCE of generated images with label 1."""
        loss = losses.taken_for_real(self.discriminator(self._seen(fakes.image, fakes.noise)))
        return loss, {"loss": loss}

    def sampler(self, tokenizer: Tokenizer | None, *, truncation: float) -> UnconditionalSampler:
        """Sampler of the EMA generator; the tokenizer is ignored."""
        return UnconditionalSampler(
            generator=self.average_generator,
            latent_size=self.options.latent_size,
            truncation=truncation,
            darkest=BLACK,
        )

    @property
    def _joint(self) -> bool:
        return self.options.discriminator_update == "joint"

    def _judge(
        self, image: tf.Tensor, noise: StepNoise, *, update: str, weight: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits [B] of images, and the weighted gradient penalty at the images."""

        def judge(image: tf.Tensor) -> tf.Tensor:
            return self.discriminator(self._seen(image, noise))

        weight *= self.penalty_factor
        if not weight:
            return judge(image), tf.constant(0.0)
        scale = self.loss_scale("discriminator" if self._joint else update)
        logit, gradients = penalties.input_gradients(judge, [image], scale=scale)
        return logit, penalties.zero_centred(gradients, weight=weight)

    def _seen(self, image: tf.Tensor, noise: StepNoise) -> tf.Tensor:
        return self.augmented(image, noise, "shift", darkest=BLACK)
