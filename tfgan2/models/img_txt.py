"""IMG-TXT: one generator draws an image and writes its text, each on its own or by the other.

Source: the published code https://github.com/dhirajpatnaik16297/IMG-TXT-Generative-Adversarial-Network
(no paper). What differs from it, unless `faithful`:
- The code gives the generator text and image of a real pair, always, so that it cannot draw without
  them. Here a row is given its text, or its image, or neither, and the joint discriminator sees
  what was given in the place of what was made: so a picture has to fit a text that is given.
- The code's discriminators of the image alone and of the text alone get no gradient: they are
  logged, with a fake image's logit in the place of its loss, and never learn. Here they play.
- The code's texts are of 1 and -1, which a tanh reaches only without a slope: here 0.9 and -0.9,
  and discriminators read them through noise (Arjovsky and Bottou 2017, "Towards Principled Methods
  for Training Generative Adversarial Networks", section 3), or a word once lost never comes back.
- The code draws conditions with the logarithm of the spread as their spread, and has a layer that
  nothing reads.
"""

import dataclasses
import math
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties, spectral
from tfgan2.adversarial.averaging import Averaging
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.remedies import MatchingRemedies
from tfgan2.adversarial.sampler import JointSampler
from tfgan2.adversarial.updates import Batch, Judging, Parts, Update
from tfgan2.models.adam import AdamOptions, make_adams
from tfgan2.models.blocks import DType
from tfgan2.models.conditioning import kl_divergence
from tfgan2.models.img_txt_networks import IMAGE_SIZES_PX, Discriminator, Generator, Texts
from tfgan2.text.options import WORD_ENCODERS
from tfgan2.text.tokenizers import WordTokenizer

# Standard deviation; words are 1.8 apart in two of a place's values.
TEXT_NOISE = 0.3
# Of image and text alone in the generator's loss, where the pair has 1: it contains both.
ALONE_WEIGHT = 0.3


@dataclasses.dataclass(frozen=True)
class ImgTxtOptions(AdamOptions, MatchingRemedies):
    """What defines the players; every field is a field of the recipe."""

    seed: int
    image_size: int
    max_words: int
    latent_size: int
    generator_channels: int
    discriminator_channels: int
    discriminator_head: str
    discriminator_batch_norm: bool
    condition_rate: float
    shared_layers: int
    kl_weight: float
    loss: str
    mismatch_weight: float
    ma_gp_update: str
    mode_seeking_weight: float
    faithful: bool


@dataclasses.dataclass(frozen=True)
class Fakes:
    """What was drawn and written, what was given for it, and the step's noise.

    Attributes:
      image: float32 [B, S, S, C].
      text: float32 [B, N].
      pair: image and text as the joint discriminator sees them: what was given stands for itself.
      given: what the generator was given, as the arguments of its call.
      latent: float32 [B, D].
      noise: of the step.
    """

    image: tf.Tensor
    text: tf.Tensor
    pair: tuple[tf.Tensor, tf.Tensor]
    given: dict[str, tf.Tensor]
    latent: tf.Tensor
    noise: StepNoise


class ImgTxt(GAN):
    """The game: a generator against discriminators of the pair, of the image and of the text."""

    options_class = ImgTxtOptions
    image_sizes_px = IMAGE_SIZES_PX
    reads = "texts"

    def __init__(
        self,
        options: ImgTxtOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        averaging: Averaging,
        dtype: DType = "float32",
    ) -> None:
        """Builds the players.

        Args:
          options: what defines them.
          image_channels: 1 or 3.
          vocabulary_size: number of ids of the tokenizer, padding included.
          averaging: how fast the average that is sampled follows.
          dtype: policy of the live networks; the average is float32.
        """
        super().__init__(name="img_txt", seed=options.seed, averaging=averaging, remedies=options)
        self.options = options
        self.texts = Texts(
            vocabulary_size=vocabulary_size,
            max_words=options.max_words,
            faithful=options.faithful,
        )
        image_shape = (options.image_size, options.image_size, image_channels)

        def generator(dtype: DType) -> Generator:
            return Generator(
                image_size=options.image_size,
                image_channels=image_channels,
                texts=self.texts,
                latent_size=options.latent_size,
                base_channels=options.generator_channels,
                shared_layers=options.shared_layers,
                faithful=options.faithful,
                dtype=dtype,
            )

        def discriminator(name: str, *, sees: bool, reads: bool) -> Discriminator:
            return Discriminator(
                image_shape=image_shape if sees else None,
                text_size=self.texts.size if reads else None,
                base_channels=options.discriminator_channels,
                batch_norm=options.discriminator_batch_norm,
                head=options.discriminator_head,
                minibatch_group=options.minibatch_group,
                name=name,
                dtype=dtype,
            )

        self.generator, self.average_generator = generator(dtype), generator("float32")
        self.joint_discriminator = discriminator("joint", sees=True, reads=True)
        self.image_discriminator = discriminator("image", sees=True, reads=False)
        self.text_discriminator = discriminator("text", sees=False, reads=True)
        if options.discriminator_spectral_norm:
            spectral.divide(
                self.joint_discriminator, self.image_discriminator, self.text_discriminator
            )
        self.start_averages()

    @classmethod
    def allowed(cls, options: Any) -> dict[str, tuple]:
        """Texts are written in words; the published generator shares one layer."""
        return {
            "image_size": cls.image_sizes_px,
            "text_encoder_kind": WORD_ENCODERS,
            "ma_gp_update": ("joint",),
            "shared_layers": (1,) if options.faithful else (1, 2, 3, 4),
        }

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """The generator."""
        return ((self.average_generator, self.generator),)

    @property
    def judging(self) -> Judging:
        """The discriminators' parts, which are those of one game or of three."""
        games = 1 if self.options.faithful else 3
        guessing = {"discriminator/loss": games * losses.OF_GUESSING[self.options.loss]}
        return Judging("discriminator/real_logit", "discriminator/fake_logit", guessing)

    @property
    def updates(self) -> tuple[Update, ...]:
        """All discriminators together, then the generator."""
        judging = [self.joint_discriminator]
        if not self.options.faithful:
            judging += [self.image_discriminator, self.text_discriminator]
        return (
            Update(
                "discriminator",
                self.discriminator_loss,
                [variable for network in judging for variable in network.trainable_variables],
                self.optimizers["discriminator"],
            ),
            Update(
                "generator",
                self.generator_loss,
                self.generator.trainable_variables,
                self.optimizers["generator"],
            ),
        )

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both sides."""
        options = self.options
        rates = {
            "discriminator": options.discriminator_learning_rate,
            "generator": options.generator_learning_rate,
        }
        steps_per_epoch = images_per_epoch / self.averaging.batch_size
        return make_adams(options, rates, steps_per_epoch=steps_per_epoch)

    def generate(self, batch: Batch, noise: StepNoise) -> Fakes:
        """Draws and writes, for every row by its text, by its image, or by neither."""
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
        return Fakes(image=image, text=text, pair=pair, given=given, latent=latent, noise=noise)

    def discriminator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss over real pairs and what was made, with the penalties that belong to it."""
        options, scale = self.options, self.loss_scale("discriminator")
        made = (fakes.image, fakes.text, *fakes.pair)
        real_pair = (batch["image"], fakes.given["text"])
        seen: list[Logits] = []

        def judge_real(image: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
            seen.append(self._judge(image, text, (image, text), fakes.noise, "real"))
            return seen[-1].rows

        def judge_fake(
            image: tf.Tensor, text: tf.Tensor, pair_image: tf.Tensor, pair_text: tf.Tensor
        ) -> tf.Tensor:
            pair = (pair_image, pair_text)
            seen.append(self._judge(image, text, pair, fakes.noise, "fake"))
            return seen[-1].rows

        penalty: Parts = {}
        factor = self.penalty_factor
        if factor and (options.r1_weight or options.ma_gp_weight):
            _, gradients = penalties.input_gradients(judge_real, real_pair, scale=scale)
            if options.ma_gp_weight:
                penalty["ma_gp"] = penalties.matching_aware(
                    gradients,
                    weight=options.ma_gp_weight * factor,
                    power=options.ma_gp_power,
                    norm=options.ma_gp_norm,
                )
            if options.r1_weight:
                penalty["r1"] = self._penalty(gradients, weight=options.r1_weight * factor)
        else:
            judge_real(*real_pair)
        if factor and options.r2_weight:
            _, gradients = penalties.input_gradients(judge_fake, made, scale=scale)
            penalty["r2"] = self._penalty(gradients, weight=options.r2_weight * factor)
        else:
            judge_fake(*made)
        real, fake = seen
        mismatched = None
        if options.mismatch_weight:
            wrong = self.texts.encode(batch["mismatched_tokens"]["ids"])
            image = self.augmented(batch["image"], fakes.noise, "real")
            inputs = {"image": image, "text": self._blurred(wrong, fakes.noise, "real")}
            mismatched = Logits((self.joint_discriminator(inputs, training=True),))
        # Three games, or the joint one alone.
        loss = tf.add_n(
            [
                losses.discriminator(
                    options.loss,
                    real=of_real,
                    fake=of_fake,
                    mismatched=mismatched if of_real.matched else None,
                    mismatch_weight=options.mismatch_weight,
                    label_smoothing=options.label_smoothing,
                )
                for of_real, of_fake in zip(_games(real), _games(fake), strict=True)
            ]
        )
        parts = {
            "loss": loss,
            "real_logit": tf.reduce_mean(real.rows),
            "fake_logit": tf.reduce_mean(fake.rows),
            "real_pair_logit": tf.reduce_mean(real.matched[0]),
            **penalty,
        }
        if self.adaptive is not None:
            parts["real_sign"] = losses.real_sign(options.loss, real=real.rows, fake=fake.rows)
        if mismatched is not None:
            parts["mismatched_logit"] = tf.reduce_mean(mismatched.rows)
        if options.faithful:
            parts["loss_dash"] = loss - self._untrained_loss(real_pair, fakes)
        return loss + tf.add_n([*penalty.values(), 0.0]), parts

    def generator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss against the discriminators as they stand, and of the conditions."""
        options, noise = self.options, fakes.noise
        fake = self._judge(fakes.image, fakes.text, fakes.pair, noise, "fake")
        real = None
        if options.loss == "relativistic":
            pair = (batch["image"], fakes.given["text"])
            real = self._judge(*pair, pair, noise, "real")
        terms = {
            "game": tf.add_n(
                [
                    (1.0 if of_fake.matched else ALONE_WEIGHT)
                    * losses.generator(options.loss, fake=of_fake, real=of_real)
                    for of_fake, of_real in zip(_games(fake), _games(real or fake), strict=True)
                ]
            )
        }
        divergence = kl_divergence(*self.generator.of_text(fakes.given["text"]))
        flat = tf.reshape(batch["image"], [batch["image"].shape[0], -1])
        divergence += kl_divergence(*self.generator.of_image(flat))
        terms["kl"] = options.kl_weight * divergence
        if options.mode_seeking_weight:
            latent = noise.normal("second_latent", self.generator.noise_size)
            second, _ = self.generator(latent, **fakes.given, training=True)
            ratio = losses.mode_seeking(fakes.image, second, fakes.latent, latent)
            terms["mode_seeking"] = options.mode_seeking_weight * ratio
        loss = tf.add_n([*terms.values()])
        return loss, {"loss": loss, **terms}

    def sampler(self, tokenizer: WordTokenizer, *, truncation: float) -> JointSampler:
        """The averaged generator behind a tokenizer."""
        return JointSampler(
            tokenizer=tokenizer,
            words=tokenizer.words,
            generator=self.average_generator,
            latent_size=self.average_generator.noise_size,
            truncation=truncation,
        )

    def _blurred(self, text: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        """Texts with noise: between points of no extent a discriminator has no slope to follow."""
        if self.options.faithful:
            return text
        return text + TEXT_NOISE * noise.normal(f"{name}_text", self.texts.size)

    def _judge(
        self,
        image: tf.Tensor,
        text: tf.Tensor,
        pair: tuple[tf.Tensor, tf.Tensor],
        noise: StepNoise,
        name: str,
    ) -> Logits:
        """What the discriminators say: of the pair, and of image and text alone if they play."""
        pair_image = self.augmented(pair[0], noise, name)
        pair_text = self._blurred(pair[1], noise, name)
        joint = self.joint_discriminator({"image": pair_image, "text": pair_text}, training=True)
        if self.options.faithful:
            return Logits((joint,))
        seen = self.augmented(image, noise, name)
        return Logits(
            matched=(joint,),
            alone=(
                self.image_discriminator({"image": seen}, training=True),
                self.text_discriminator({"text": self._blurred(text, noise, name)}, training=True),
            ),
        )

    def _penalty(self, gradients: list[tf.Tensor], *, weight: float) -> tf.Tensor:
        """Zero-centred penalty on gradients by images and texts in turn.

        A text has few values and an image many: without this share, a discriminator would pay more
        for telling texts apart than for images.
        """
        share = math.sqrt(self.texts.size / math.prod(gradients[0].shape[1:]))
        scaled = [
            gradient * math.sqrt(share) if gradient.shape.rank == 2 else gradient
            for gradient in gradients
        ]
        return penalties.zero_centred(scaled, weight=weight)

    def _untrained_loss(self, real: tuple[tf.Tensor, tf.Tensor], fakes: Fakes) -> tf.Tensor:
        """What the published code logs of the discriminators that never learn."""
        (image, text) = real
        judge_image, judge_text = self.image_discriminator, self.text_discriminator
        of_image = losses.taken_for_real(judge_image({"image": image}, training=True))
        of_image += tf.reduce_mean(judge_image({"image": fakes.image}, training=True))
        of_text = losses.taken_for_real(judge_text({"text": text}, training=True))
        of_text += losses.taken_for_fake(judge_text({"text": fakes.text}, training=True))
        return of_image + of_text


def _games(logits: Logits) -> list[Logits]:
    """Every output as that of a discriminator of its own."""
    together = [Logits((logit,)) for logit in logits.matched]
    return together + [Logits((), (logit,)) for logit in logits.alone]
