"""The game that DF-GAN, GAN-CLS and StackGAN share.

A generator draws captions; a discriminator judges image and caption together, and learns from three
kinds of pairs: real images with their captions, generated ones with theirs, and real images with
the captions of others. Where a published code pairs the caption with another image, and not the
image with another caption, those are the same pairs: the rows of a batch stand in a ring.
"""

import abc
import dataclasses
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import cutmix, losses, penalties, spectral
from tfgan2.adversarial.averaging import Averaging
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.minibatch import with_deviation
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.remedies import MatchingRemedies
from tfgan2.adversarial.sampler import Sampler
from tfgan2.adversarial.updates import PENALTY, Batch, Judging, Parts, Update
from tfgan2.models.adam import AdamOptions, make_adams
from tfgan2.models.blocks import DType
from tfgan2.text.encoders import TextOptions, make_encoder
from tfgan2.text.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True)
class MatchingAwareOptions(TextOptions, AdamOptions, MatchingRemedies):
    """What defines such a game; every field is a field of the recipe."""

    seed: int
    image_size: int
    freeze_text_encoder: bool
    latent_size: int
    generator_form: str
    generator_channels: int
    discriminator_form: str
    discriminator_channels: int
    loss: str
    mismatch_weight: float
    ma_gp_update: str
    cutmix_weight: float
    cutmix_warm_up_images: int
    mode_seeking_weight: float
    faithful: bool


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Generated images [B, S, S, C], what they were drawn from, and the step's noise."""

    image: tf.Tensor
    latent: tf.Tensor
    sentence: tf.Tensor
    noise: StepNoise


class MatchingAwareGAN(GAN):
    """The game; a text encoder that is not frozen learns with the discriminator.

    Attributes:
      generator_forms: what `generator_form` may be.
      discriminator_forms: what `discriminator_form` may be.
    """

    generator_forms: ClassVar[tuple[str, ...]]
    discriminator_forms: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        options: MatchingAwareOptions,
        *,
        name: str,
        vocabulary_size: int,
        averaging: Averaging,
        dtype: DType,
        image_channels: int,
    ) -> None:
        """Builds the players.

        Args:
          options: what defines them.
          name: of the system.
          vocabulary_size: number of ids of the tokenizer, padding included.
          averaging: how fast the averages that are sampled follow.
          dtype: policy of the live networks; the averages are float32.
          image_channels: 1 or 3.
        """
        super().__init__(name=name, seed=options.seed, averaging=averaging, remedies=options)
        self.options = options

        def text_encoder(dtype: DType) -> keras.Model:
            return make_encoder(options, vocabulary_size=vocabulary_size, dtype=dtype)

        self.generator = self.make_generator(image_channels=image_channels, dtype=dtype)
        self.average_generator = self.make_generator(image_channels=image_channels, dtype="float32")
        self.average_text_encoder = text_encoder("float32")
        if options.freeze_text_encoder:
            self.text_encoder = self.average_text_encoder
            self.text_encoder.trainable = False
        else:
            self.text_encoder = text_encoder(dtype)
        self.image_features, self.head = self.make_discriminator(
            image_channels=image_channels, dtype=dtype
        )
        if options.discriminator_spectral_norm:
            spectral.divide(self.image_features, self.head)
        self.start_averages()

    @classmethod
    def allowed(cls, options: Any) -> dict[str, tuple]:
        """Sizes and forms of the system; CutMix needs logits by pixels."""
        allowed: dict[str, tuple] = {
            "image_size": cls.image_sizes_px,
            "generator_form": cls.generator_forms,
            "discriminator_form": cls.discriminator_forms,
        }
        if not options.cutmix_weight:
            return allowed
        by_pixels = "unet" in cls.discriminator_forms
        needed = {"discriminator_form": ("unet",)} if by_pixels else {"cutmix_weight": (0.0,)}
        return {**allowed, **needed}

    @abc.abstractmethod
    def make_generator(self, *, image_channels: int, dtype: DType) -> keras.Model:
        """Makes what draws latents [B, `noise_size`] and sentences: float32 images in [-1, 1]."""

    @abc.abstractmethod
    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[keras.Model, keras.Model]:
        """Makes what turns images into features, and what turns those and sentences into logits."""

    def judged_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape of what the head sees of features of a shape."""
        height, width, channels = shape
        return height, width, channels + (self.options.minibatch_group > 0)

    @property
    def noise_size(self) -> int:
        """Length of all that the generator needs of a row's noise."""
        return self.options.latent_size

    @property
    def alone_outputs(self) -> int:
        """How many of the head's outputs, the last ones, read no sentence."""
        return 0

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Generator, and text encoder if it learns."""
        generator = (self.average_generator, self.generator)
        if self.options.freeze_text_encoder:
            return (generator,)
        return (generator, (self.average_text_encoder, self.text_encoder))

    @property
    def judging(self) -> Judging:
        """The discriminator's parts."""
        guessing = {"discriminator/loss": losses.OF_GUESSING[self.options.loss]}
        return Judging("discriminator/real_logit", "discriminator/fake_logit", guessing)

    @property
    def judging_networks(self) -> tuple[keras.Model, ...]:
        """What learns to judge."""
        return (self.image_features, self.head, self.text_encoder)

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator with text encoder, MA-GP if that is separate, then generator."""
        judges = [
            variable
            for network in self.judging_networks
            for variable in network.trainable_variables
        ]
        optimizer = self.optimizers["discriminator"]
        discriminator = Update("discriminator", self.discriminator_loss, judges, optimizer)
        generator = Update(
            "generator",
            self.generator_loss,
            self.generator.trainable_variables,
            self.optimizers["generator"],
        )
        if not self.options.ma_gp_weight or self.options.ma_gp_update != "separate":
            return (discriminator, generator)
        penalty = Update(PENALTY, self.penalty_loss, judges, optimizer, draws=False)
        return (discriminator, penalty, generator)

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both players."""
        options = self.options
        rates = {
            "discriminator": options.discriminator_learning_rate,
            "generator": options.generator_learning_rate,
        }
        steps_per_epoch = images_per_epoch / self.averaging.batch_size
        return make_adams(options, rates, steps_per_epoch=steps_per_epoch)

    def read_with(self, text_encoder: keras.Model) -> None:
        """Takes the weights of a text encoder of the same options."""
        self.text_encoder.set_weights(text_encoder.get_weights())
        self.average_text_encoder.set_weights(text_encoder.get_weights())

    def encode(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Encodes captions [B, T] or, as the mean of their sentences, several a row [B, n, T]."""
        if tokens["ids"].shape.rank == 2:
            return self.text_encoder(tokens)
        count = tokens["ids"].shape[1]
        each = {name: tf.reshape(it, [-1, *it.shape[2:]]) for name, it in tokens.items()}
        sentences = self.text_encoder(each)
        return tf.reduce_mean(tf.reshape(sentences, [-1, count, sentences.shape[1]]), axis=1)

    def judged_sentence(self, sentence: tf.Tensor) -> tf.Tensor:
        """What the discriminator reads of a sentence: the sentence."""
        return sentence

    def judge(self, features: tf.Tensor, sentence: tf.Tensor) -> Logits:
        """Judges features of images with the sentences that the discriminator reads."""
        outputs = tuple(tf.nest.flatten(self.head(features, sentence, training=True)))
        matched = len(outputs) - self.alone_outputs
        return Logits(matched=outputs[:matched], alone=outputs[matched:])

    def features(self, image: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        """Looks at images, augmented if the recipe says so, by the draws of that name."""
        return self.features_of(self.augmented(image, noise, name))

    def features_of(self, image: tf.Tensor) -> tf.Tensor:
        """Looks at images as they are, and at how much the rows of a group differ."""
        features, group = self.image_features(image, training=True), self.options.minibatch_group
        if isinstance(features, tuple):  # Of the whole and of the pixels.
            return with_deviation(features[0], group=group), features[1]
        return with_deviation(features, group=group)

    def generate(self, batch: Batch, noise: StepNoise) -> Fakes:
        """Draws an image for every caption of the batch."""
        sentence = tf.stop_gradient(self.encode(batch["tokens"]))
        latent = noise.normal("latent", self.noise_size)
        image = self.generator(latent, sentence, training=True)
        return Fakes(image=image, latent=latent, sentence=sentence, noise=noise)

    @property
    def penalizes_matching(self) -> bool:
        """Whether MA-GP is a part of the discriminator's loss."""
        return self.options.ma_gp_weight > 0.0 and self.options.ma_gp_update == "joint"

    def real_penalties(self, gradients: list[tf.Tensor]) -> Parts:
        """Penalties on the gradients of the logit by real image and sentence."""
        parts = {"ma_gp": self.matching_aware(gradients)} if self.penalizes_matching else {}
        weight = self.options.r1_weight * self.penalty_factor
        return (
            {**parts, "r1": penalties.zero_centred(gradients[:1], weight=weight)}
            if weight
            else parts
        )

    def matching_aware(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """MA-GP of the gradients of the logit by real image and its sentence."""
        return penalties.matching_aware(
            gradients,
            weight=self.options.ma_gp_weight * self.penalty_factor,
            power=self.options.ma_gp_power,
            norm=self.options.ma_gp_norm,
        )

    def penalty_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """MA-GP alone, of the discriminator as its own update has left it."""

        def judge(image: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
            return self.judge(self.features(image, noise, "real"), sentence).rows

        sentence = self.judged_sentence(self.encode(batch["tokens"]))
        scale = self.loss_scale("discriminator")
        _, gradients = penalties.input_gradients(judge, (batch["image"], sentence), scale=scale)
        loss = self.matching_aware(gradients)
        return loss, {"ma_gp": loss}

    def discriminator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss over real, generated and mismatched pairs, with the penalties that belong to it."""
        options, scale = self.options, self.loss_scale("discriminator")
        sentence = self.judged_sentence(self.encode(batch["tokens"]))
        seen: list[tuple[tf.Tensor, Logits]] = []

        def judge_real(image: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
            features = self.features(image, fakes.noise, "real")
            seen.append((features, self.judge(features, sentence)))
            return seen[-1][1].rows

        def judge_fake(image: tf.Tensor) -> tf.Tensor:
            features = self.features(image, fakes.noise, "fake")
            seen.append((features, self.judge(features, sentence)))
            return seen[-1][1].rows

        penalty: Parts = {}
        if self.penalty_factor and (self.penalizes_matching or options.r1_weight):
            inputs = (batch["image"], sentence)
            _, gradients = penalties.input_gradients(judge_real, inputs, scale=scale)
            penalty |= self.real_penalties(gradients)
        else:
            judge_real(batch["image"], sentence)
        r2_weight = options.r2_weight * self.penalty_factor
        if r2_weight:
            _, gradients = penalties.input_gradients(judge_fake, [fakes.image], scale=scale)
            penalty["r2"] = penalties.zero_centred(gradients, weight=r2_weight)
        else:
            judge_fake(fakes.image)
        (real_features, real), (_, fake) = seen

        mismatched = None
        parts = {"real_logit": real.rows, "fake_logit": fake.rows}
        if real.matched:
            wrong = self.judged_sentence(self.encode(batch["mismatched_tokens"]))
            mismatched = self.judge(real_features, wrong)
            parts["mismatched_logit"] = mismatched.rows
        loss = losses.discriminator(
            options.loss,
            real=real,
            fake=fake,
            mismatched=mismatched,
            mismatch_weight=options.mismatch_weight,
            label_smoothing=options.label_smoothing,
        )
        if options.cutmix_weight:
            penalty |= self._cutmix(batch["image"], fakes, sentence, real, fake)
        parts = {name: tf.reduce_mean(logits) for name, logits in parts.items()}
        if self.adaptive is not None:
            parts["real_sign"] = losses.real_sign(options.loss, real=real.rows, fake=fake.rows)
        return loss + tf.add_n([*penalty.values(), 0.0]), {"loss": loss, **parts, **penalty}

    def generator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss of the generator against the discriminator as it stands."""
        judged = tf.stop_gradient(self.judged_sentence(fakes.sentence))
        fake = self.judge(self.features(fakes.image, fakes.noise, "fake"), judged)
        real = None
        if self.options.loss == "relativistic":
            real = self.judge(self.features(batch["image"], fakes.noise, "real"), judged)
        loss = losses.generator(self.options.loss, fake=fake, real=real)
        terms = self.generator_terms(fakes)
        return loss + tf.add_n([*terms.values(), 0.0]), {"loss": loss, **terms}

    def generator_terms(self, fakes: Fakes) -> Parts:
        """What the generator's loss has beside the game."""
        weight = self.options.mode_seeking_weight
        if not weight:
            return {}
        latent = fakes.noise.normal("second_latent", self.noise_size)
        second = self.generator(latent, fakes.sentence, training=True)
        ratio = losses.mode_seeking(fakes.image, second, fakes.latent, latent)
        return {"mode_seeking": weight * ratio}

    def sampler(self, tokenizer: Tokenizer, *, truncation: float) -> Sampler:
        """The averaged encoder and generator behind a tokenizer."""
        return Sampler(
            tokenizer=tokenizer,
            text_encoder=self.average_text_encoder,
            generator=self.average_generator,
            latent_size=self.noise_size,
            truncation=truncation,
        )

    def _cutmix(
        self, image: tf.Tensor, fakes: Fakes, sentence: tf.Tensor, real: Logits, fake: Logits
    ) -> Parts:
        """Loss of real and generated images mixed by boxes, and consistency of their pixels."""
        mask = cutmix.masks(fakes.noise, name="cutmix", image_size=self.options.image_size)
        # As the judgements of both, of which that of the mix is to be the mix.
        seen_real = self.augmented(image, fakes.noise, "real")
        mixed = cutmix.mix(seen_real, self.augmented(fakes.image, fakes.noise, "fake"), mask)
        whole, pixels = self.judge(self.features_of(mixed), sentence).matched
        weight = tf.constant(self.options.cutmix_weight)
        if self.options.cutmix_warm_up_images:
            seen = tf.cast(self.step, tf.float32) * self.averaging.batch_size
            weight *= tf.minimum(1.0, seen / self.options.cutmix_warm_up_images)
        return {
            "cutmix": weight * cutmix.cutmix_loss(whole, pixels, mask),
            "consistency": weight
            * cutmix.consistency(pixels, real.matched[1], fake.matched[1], mask),
        }
