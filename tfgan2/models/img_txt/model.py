"""IMG-TXT: one generator of images and texts, unconditional or given the text or the image.

Source: the published code https://github.com/dhirajpatnaik16297/IMG-TXT-Generative-Adversarial-Network
(no paper). Differences from the code, unless `faithful`:
- The code always gives text and image of a real pair to the generator, so it cannot generate
  without them. Here a row is given its text, its image, or neither. In the joint discriminator's
  input, the given text or image replaces the generated one, so the image must fit a given text.
- The code's image discriminator and text discriminator get no gradient: the code logs them,
  with the logit of a generated image instead of its loss, but never trains them. Here they
  are trained.
- The code's texts have values 1 and -1, where tanh has no gradient. Here they are 0.9 and -0.9, and
  discriminators get them with noise (Arjovsky and Bottou 2017, "Towards Principled Methods for
  Training Generative Adversarial Networks", section 3); otherwise a lost word never comes back.
- The code samples conditions with log sigma instead of sigma, and has a layer with an unused
  output.
"""

import dataclasses
import functools
import math

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties, spectral
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.gan import GAN, DiscriminatorStatistics
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import JointSampler
from tfgan2.adversarial.updates import GENERATOR, Batch, Logs, LossInputs, Update
from tfgan2.models.img_txt.networks import Discriminator, Generator, Texts
from tfgan2.models.img_txt.options import ImgTxtOptions
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.conditioning import kl_divergence
from tfgan2.optimizers.make import make_optimizers
from tfgan2.text.tokenizers import WordTokenizer

# Standard deviation; two words differ by 1.8 in two values of a position.
TEXT_NOISE = 0.3
# Weight of the unconditional terms in the generator loss; the pair has weight 1.
UNCONDITIONAL_WEIGHT = 0.3


@dataclasses.dataclass(frozen=True)
class GeneratedPairs:
    """Generated images and texts, and the given texts and images.

    Attributes:
      image: generated images; float32 [B, S, S, C].
      text: generated texts; float32 [B, N].
      pair: image and text for the joint discriminator: a given image or text replaces the generated
        one.
      given: given texts and images, as keyword arguments of the generator's call.
      latent: float32 [B, D].
    """

    image: tf.Tensor
    text: tf.Tensor
    pair: tuple[tf.Tensor, tf.Tensor]
    given: dict[str, tf.Tensor]
    latent: tf.Tensor


class ImgTxt(GAN):
    """IMG-TXT: a generator and three discriminators, of the pair, the image and the text."""

    reads = "texts"

    def __init__(
        self,
        options: ImgTxtOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        ema: EMA,
        dtype: DType = "float32",
    ) -> None:
        """Builds the networks; for the arguments see `MatchingAwareGAN`."""
        super().__init__(name="img_txt", seed=options.seed, ema=ema, stabilizers=options)
        self.options = options
        self.texts = Texts(
            vocabulary_size=vocabulary_size,
            max_words=options.max_words,
            faithful=options.faithful,
        )

        def discriminator(name: str, *, has_image: bool, has_text: bool) -> Discriminator:
            return Discriminator(
                options,
                image_channels=image_channels if has_image else None,
                text_size=self.texts.size if has_text else None,
                name=name,
                dtype=dtype,
            )

        self.generator, self.average_generator = (
            Generator(options, image_channels=image_channels, texts=self.texts, dtype=it)
            for it in (dtype, "float32")
        )
        self.joint_discriminator = discriminator("joint", has_image=True, has_text=True)
        self.image_discriminator = discriminator("image", has_image=True, has_text=False)
        self.text_discriminator = discriminator("text", has_image=False, has_text=True)
        if options.discriminator_spectral_norm:
            spectral.normalize(
                self.joint_discriminator, self.image_discriminator, self.text_discriminator
            )
        self.initialize_ema()

    @property
    def discriminator_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block of the joint and the image discriminator."""
        networks = (self.joint_discriminator, self.image_discriminator)
        return [
            one + other for one, other in zip(*(it.down_blocks for it in networks), strict=True)
        ]

    @property
    def discriminator_statistics(self) -> DiscriminatorStatistics:
        """Names of the discriminator statistics; the chance loss is the sum of one or three."""
        count = 1 if self.options.faithful else 3
        chance = count * losses.CHANCE_LOSS[self.options.loss]
        return DiscriminatorStatistics({"discriminator/loss": chance})

    @property
    def updates(self) -> tuple[Update, ...]:
        """All discriminators in one update, then the generator."""
        discriminators = [self.joint_discriminator]
        if not self.options.faithful:
            discriminators += [self.image_discriminator, self.text_discriminator]
        optimizer, of_generator = (self.optimizers[it] for it in ("discriminator", GENERATOR))
        return (
            Update("discriminator", self.discriminator_loss, discriminators, optimizer),
            Update(GENERATOR, self.generator_loss, [self.generator], of_generator),
        )

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """The recipe's optimizers of generator and discriminators; default: Adam."""
        names = ("discriminator", "generator")
        steps_per_epoch = images_per_epoch / self.ema.batch_size
        return make_optimizers(self.options, names, steps_per_epoch=steps_per_epoch)

    def generate(self, batch: Batch, noise: StepNoise) -> GeneratedPairs:
        """Generates image and text of every row, given its text, its image, or neither."""
        # A random fraction `condition_rate` of the rows gets the text, the same fraction the image.
        rate, draw = self.options.condition_rate, noise.uniform("given", 1)
        text_given, image_given = draw < rate, tf.logical_and(draw >= rate, draw < 2.0 * rate)
        if self.options.faithful:
            text_given = image_given = tf.ones_like(text_given)
        given = {
            "text": self.texts.encode(batch["tokens"]["ids"]),
            "text_given": tf.cast(text_given, tf.float32),
            "image": batch["image"],
            "image_given": tf.cast(image_given, tf.float32),
            "image_noise": noise.normal("image_condition", self.generator.of_image.size),
        }
        latent = noise.normal("latent", self.generator.noise_size)
        image, text = self.generator(latent, **given, training=True)
        pair = (image, text)
        if not self.options.faithful:
            pair = (
                tf.where(image_given[:, :, tf.newaxis, tf.newaxis], batch["image"], image),
                tf.where(text_given, given["text"], text),
            )
        return GeneratedPairs(image=image, text=text, pair=pair, given=given, latent=latent)

    def discriminator_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Discriminator loss over real and generated pairs, plus gradient penalties."""
        options, batch, noise = self.options, inputs.batch, inputs.noise
        generated: GeneratedPairs = inputs.generated
        factor, scale = inputs.phase.penalty_factor, self.loss_scale("discriminator")
        penalties_of_step: Logs = {}

        # Logits of real rows, with MA-GP and R1 in steps that have penalties.
        real_pair = (batch["image"], generated.given["text"])
        real, gradients = penalties.input_gradients(
            functools.partial(self._critic, noise=noise, name="real"),
            real_pair,
            scale=scale,
            needed=factor > 0.0 and (options.r1_weight > 0.0 or options.ma_gp_weight > 0.0),
        )
        if gradients and options.ma_gp_weight:
            penalties_of_step["ma_gp"] = penalties.matching_aware(gradients, options, factor=factor)
        if gradients and options.r1_weight:
            penalties_of_step["r1"] = self._penalty(gradients, weight=options.r1_weight * factor)

        # Logits of generated rows, with R2.
        fake, gradients = penalties.input_gradients(
            functools.partial(self._critic, noise=noise, name="fake"),
            (generated.image, generated.text, *generated.pair),
            scale=scale,
            needed=options.r2_weight * factor > 0.0,
        )
        if gradients:
            penalties_of_step["r2"] = self._penalty(gradients, weight=options.r2_weight * factor)

        # Logits of real images with mismatched texts, only from the joint discriminator.
        mismatched = None
        if options.mismatch_weight:
            mismatched_text = self.texts.encode(batch["mismatched_tokens"]["ids"])
            image = self.augmented(batch["image"], noise, "real")
            pair = {"image": image, "text": self._noisy(mismatched_text, noise, "real")}
            mismatched = Logits((self.joint_discriminator(pair, training=True),))
        # Sum of the losses of three discriminators, or the loss of the joint one.
        loss = tf.add_n(
            [
                losses.discriminator(
                    options.loss,
                    real=of_real,
                    fake=of_fake,
                    mismatched=mismatched if of_real.conditional else None,
                    mismatch_weight=options.mismatch_weight,
                    label_smoothing=options.label_smoothing,
                )
                for of_real, of_fake in zip(real.split(), fake.split(), strict=True)
            ]
        )
        logs = {
            "loss": loss,
            "real_logit": tf.reduce_mean(real.mean_per_row),
            "fake_logit": tf.reduce_mean(fake.mean_per_row),
            "real_pair_logit": tf.reduce_mean(real.conditional[0]),
            **penalties_of_step,
        }
        if self.adaptive is not None:
            logs["real_sign"] = losses.ada_r_t(
                options.loss, real=real.mean_per_row, fake=fake.mean_per_row
            )
        if mismatched is not None:
            logs["mismatched_logit"] = tf.reduce_mean(mismatched.mean_per_row)
        if options.faithful:
            logs["loss_dash"] = loss - self._untrained_loss(real_pair, generated)
        return loss + tf.add_n([*penalties_of_step.values(), 0.0]), logs

    def generator_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Generator loss against the current discriminators, plus the KL loss of conditions."""
        options, batch, noise = self.options, inputs.batch, inputs.noise
        generated: GeneratedPairs = inputs.generated
        rows, real = (generated.image, generated.text), None
        _, fake = self._critic(*rows, *generated.pair, noise=noise, name="fake")
        if options.loss == "relativistic":
            rows = (batch["image"], generated.given["text"])
            _, real = self._critic(*rows, noise=noise, name="real")
        terms = {
            "game": tf.add_n(
                [
                    (1.0 if of_fake.conditional else UNCONDITIONAL_WEIGHT)
                    * losses.generator(options.loss, fake=of_fake, real=of_real)
                    for of_fake, of_real in zip(fake.split(), (real or fake).split(), strict=True)
                ]
            )
        }
        divergence = kl_divergence(*self.generator.of_text(generated.given["text"]))
        flat = tf.reshape(batch["image"], [batch["image"].shape[0], -1])
        divergence += kl_divergence(*self.generator.of_image(flat))
        terms["kl"] = options.kl_weight * divergence
        if options.mode_seeking_weight:
            latent = noise.normal("second_latent", self.generator.noise_size)
            second, _ = self.generator(latent, **generated.given, training=True)
            ratio = losses.mode_seeking(generated.image, second, generated.latent, latent)
            terms["mode_seeking"] = options.mode_seeking_weight * ratio
        loss = tf.add_n([*terms.values()])
        return loss, {"loss": loss, **terms}

    def sampler(self, tokenizer: WordTokenizer, *, truncation: float) -> JointSampler:
        """Sampler of a tokenizer and the EMA generator."""
        return JointSampler(
            tokenizer=tokenizer,
            words=tokenizer.words,
            generator=self.average_generator,
            latent_size=self.average_generator.noise_size,
            truncation=truncation,
        )

    def _noisy(self, text: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        """Adds noise to texts: between isolated points a discriminator has no useful gradient."""
        if self.options.faithful:
            return text
        return text + TEXT_NOISE * noise.normal(f"{name}_text", self.texts.size)

    def _critic(
        self, image: tf.Tensor, text: tf.Tensor, *pair: tf.Tensor, noise: StepNoise, name: str
    ) -> tuple[tf.Tensor, Logits]:
        """Mean logit of each row; and all logits, unless `faithful` with unconditional ones.

        The pair is the image and the text for the joint discriminator, by default `image` and
        `text`.
        """
        pair_image, pair_text = pair or (image, text)
        pair_image = self.augmented(pair_image, noise, name)
        pair_text = self._noisy(pair_text, noise, name)
        joint = self.joint_discriminator({"image": pair_image, "text": pair_text}, training=True)
        unconditional: tuple[tf.Tensor, ...] = ()
        if not self.options.faithful:
            augmented = self.augmented(image, noise, name)
            unconditional = (
                self.image_discriminator({"image": augmented}, training=True),
                self.text_discriminator({"text": self._noisy(text, noise, name)}, training=True),
            )
        logits = Logits((joint,), unconditional)
        return logits.mean_per_row, logits

    def _penalty(self, gradients: list[tf.Tensor], *, weight: float) -> tf.Tensor:
        """Zero-centred penalty on the gradients by images and texts.

        A text has few values and an image many; without the factor `ratio` on the gradients by
        texts, the penalty would be larger for texts than for images.
        """
        ratio = math.sqrt(self.texts.size / math.prod(gradients[0].shape[1:]))
        scaled = [
            gradient * math.sqrt(ratio) if gradient.shape.rank == 2 else gradient
            for gradient in gradients
        ]
        return penalties.zero_centred(scaled, weight=weight)

    def _untrained_loss(
        self, real: tuple[tf.Tensor, tf.Tensor], generated: GeneratedPairs
    ) -> tf.Tensor:
        """Loss of the untrained discriminators, which the published code logs."""
        (image, text) = real
        of_images, of_texts = self.image_discriminator, self.text_discriminator
        of_image = losses.bce_with_label_1(of_images({"image": image}, training=True))
        of_image += tf.reduce_mean(of_images({"image": generated.image}, training=True))
        of_text = losses.bce_with_label_1(of_texts({"text": text}, training=True))
        of_text += losses.bce_with_label_0(of_texts({"text": generated.text}, training=True))
        return of_image + of_text
