"""Matching-aware training, which DF-GAN, GAN-CLS and StackGAN share.

The generator maps captions to images. The conditional discriminator trains on three kinds of pairs:
real images with their captions, generated images with their captions, and real images with
mismatched captions. Some published codes combine the caption with another image instead of the
image with another caption; shifting captions or images by one row gives the same pairs.
"""

import abc
import dataclasses
import functools

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties, spectral
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.gan import GAN, DiscriminatorStatistics
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import Sampler
from tfgan2.adversarial.updates import GENERATOR, PENALTY, Batch, Logs, LossInputs, Update
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.minibatch_deviation import with_deviation
from tfgan2.models.matching_aware.options import MatchingAwareOptions
from tfgan2.optimizers.make import make_optimizers
from tfgan2.text.encoders import make_encoder
from tfgan2.text.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True)
class GeneratedImages:
    """Generated images [B, S, S, C], their latents [B, D] and sentence embeddings [B, D]."""

    image: tf.Tensor
    latent: tf.Tensor
    sentence: tf.Tensor


class MatchingAwareGAN(GAN):
    """Base of matching-aware GANs; the discriminator update trains an unfrozen text encoder."""

    def __init__(
        self,
        options: MatchingAwareOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        ema: EMA,
        dtype: DType = "float32",
    ) -> None:
        """Builds the networks.

        Args:
          options: options of the system.
          image_channels: 1 or 3.
          vocabulary_size: number of ids of the tokenizer, padding included.
          ema: EMA options.
          dtype: dtype policy of the live networks; the EMA networks are float32.
        """
        super().__init__(name=options.model, seed=options.seed, ema=ema, stabilizers=options)
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
            spectral.normalize(self.image_features, self.head)
        self.initialize_ema()

    @abc.abstractmethod
    def make_generator(self, *, image_channels: int, dtype: DType) -> keras.Model:
        """Builds the generator: latents [B, `noise_size`] and sentence embeddings to images.

        The images are float32 in [-1, 1].
        """

    @abc.abstractmethod
    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[keras.Model, keras.Model]:
        """Builds the feature extractor and the head of the discriminator.

        The head maps features and sentence embeddings to logits.
        """

    def head_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape of the head's input, with the channel of the minibatch standard deviation."""
        height, width, channels = shape
        return height, width, channels + (self.options.minibatch_group > 0)

    @property
    def noise_size(self) -> int:
        """Number of noise values that the generator needs per row."""
        return self.options.latent_size

    @property
    def unconditional_outputs(self) -> int:
        """Number of unconditional logits; they are the last outputs of the head."""
        return 0

    @property
    def ema_pairs(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Generator, and text encoder if it is trained."""
        if self.options.freeze_text_encoder:
            return super().ema_pairs
        return (*super().ema_pairs, (self.average_text_encoder, self.text_encoder))

    @property
    def discriminator_statistics(self) -> DiscriminatorStatistics:
        """Names of the discriminator statistics in the logs."""
        return DiscriminatorStatistics(
            {"discriminator/loss": losses.CHANCE_LOSS[self.options.loss]}
        )

    @property
    def discriminator_networks(self) -> tuple[keras.Model, ...]:
        """Networks that the discriminator update trains."""
        return (self.image_features, self.head, self.text_encoder)

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator with text encoder, then MA-GP if it is separate, then generator."""
        networks, optimizer = self.discriminator_networks, self.optimizers["discriminator"]
        discriminator = Update("discriminator", self.discriminator_loss, networks, optimizer)
        penalty = Update(PENALTY, self.penalty_loss, networks, optimizer, needs_generated=False)
        optimizer = self.optimizers["generator"]
        generator = Update(GENERATOR, self.generator_loss, [self.generator], optimizer)
        if self.options.ma_gp_weight and self.options.ma_gp_update == "separate":
            return (discriminator, penalty, generator)
        return (discriminator, generator)

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """The recipe's optimizers of generator and discriminator; default: Adam."""
        names = ("discriminator", "generator")
        steps_per_epoch = images_per_epoch / self.ema.batch_size
        return make_optimizers(self.options, names, steps_per_epoch=steps_per_epoch)

    def load_text_encoder(self, text_encoder: keras.Model) -> None:
        """Copies the weights of a pretrained text encoder with the same options."""
        self.text_encoder.set_weights(text_encoder.get_weights())
        self.average_text_encoder.set_weights(text_encoder.get_weights())

    def generate(self, batch: Batch, noise: StepNoise) -> GeneratedImages:
        """Generates an image for every caption of the batch."""
        sentence = tf.stop_gradient(self.encode(batch["tokens"]))
        latent = noise.normal("latent", self.noise_size)
        image = self.generator(latent, sentence, training=True)
        return GeneratedImages(image=image, latent=latent, sentence=sentence)

    def generate_again(self, generated: GeneratedImages) -> tf.Tensor:
        """Runs the generator on the inputs of generated images; returns the same images."""
        return self.generator(generated.latent, generated.sentence, training=True)

    def discriminator_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Discriminator loss over real, generated and mismatched pairs, plus gradient penalties."""
        options, batch, noise = self.options, inputs.batch, inputs.noise
        factor, scale = inputs.phase.penalty_factor, self.loss_scale("discriminator")
        condition = self.condition(self.encode(batch["tokens"]))
        penalties_of_step: Logs = {}

        # Logits of real pairs, with MA-GP and R1 in steps that have penalties.
        joint_ma_gp = options.ma_gp_weight > 0.0 and options.ma_gp_update == "joint"
        (real_features, real), gradients = penalties.input_gradients(
            functools.partial(self.critic, noise=noise, name="real"),
            (batch["image"], condition),
            scale=scale,
            needed=factor > 0.0 and (joint_ma_gp or options.r1_weight > 0.0),
        )
        if gradients and joint_ma_gp:
            penalties_of_step["ma_gp"] = penalties.matching_aware(gradients, options, factor=factor)
        if gradients and options.r1_weight:
            penalties_of_step["r1"] = penalties.zero_centred(
                gradients[:1], weight=options.r1_weight * factor
            )

        # Logits of generated pairs, with R2.
        (_, fake), gradients = penalties.input_gradients(
            functools.partial(self.critic, condition=condition, noise=noise, name="fake"),
            [inputs.generated.image],
            scale=scale,
            needed=options.r2_weight * factor > 0.0,
        )
        if gradients:
            penalties_of_step["r2"] = penalties.zero_centred(
                gradients, weight=options.r2_weight * factor
            )

        # Logits of mismatched pairs; they reuse the features of the real images.
        mismatched = None
        logits = {"real_logit": real.mean_per_row, "fake_logit": fake.mean_per_row}
        if real.conditional:
            other = self.condition(self.encode(batch["mismatched_tokens"]))
            mismatched = self.logits(real_features, other)
            logits["mismatched_logit"] = mismatched.mean_per_row

        # Loss of the three kinds of pairs, plus the penalties.
        loss = losses.discriminator(
            options.loss,
            real=real,
            fake=fake,
            mismatched=mismatched,
            mismatch_weight=options.mismatch_weight,
            label_smoothing=options.label_smoothing,
        )
        penalties_of_step |= self.discriminator_terms(inputs, condition, real, fake)
        logs = {name: tf.reduce_mean(values) for name, values in logits.items()}
        if self.adaptive is not None:
            logs["real_sign"] = losses.ada_r_t(
                options.loss, real=real.mean_per_row, fake=fake.mean_per_row
            )
        total = loss + tf.add_n([*penalties_of_step.values(), 0.0])
        return total, {"loss": loss, **logs, **penalties_of_step}

    def discriminator_terms(
        self, inputs: LossInputs, condition: tf.Tensor, real: Logits, fake: Logits
    ) -> Logs:
        """Terms of the discriminator loss besides the adversarial loss and the penalties."""
        return {}

    def penalty_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """MA-GP as a separate update, after the discriminator update."""
        condition = self.condition(self.encode(inputs.batch["tokens"]))
        _, gradients = penalties.input_gradients(
            functools.partial(self.critic, noise=inputs.noise, name="real"),
            (inputs.batch["image"], condition),
            scale=self.loss_scale("discriminator"),
        )
        factor = inputs.phase.penalty_factor
        loss = penalties.matching_aware(gradients, self.options, factor=factor)
        return loss, {"ma_gp": loss}

    def generator_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Generator loss against the current discriminator."""
        condition = tf.stop_gradient(self.condition(inputs.generated.sentence))
        fake, real, terms_of_features = self.generator_logits(inputs, condition)
        loss = losses.generator(self.options.loss, fake=fake, real=real)
        terms = {**self.generator_terms(inputs), **terms_of_features}
        return loss + tf.add_n([*terms.values(), 0.0]), {"loss": loss, **terms}

    def generator_logits(
        self, inputs: LossInputs, condition: tf.Tensor
    ) -> tuple[Logits, Logits | None, Logs]:
        """Logits of the generator loss, and terms of the loss that use the same features.

        Returns:
          Logits of generated images; logits of the real images, or None if the loss needs none; and
          the terms by name, here none.
        """
        noise, real = inputs.noise, None
        fake = self.logits(self.features(inputs.generated.image, noise, "fake"), condition)
        if self.options.loss == "relativistic":
            real = self.logits(self.features(inputs.batch["image"], noise, "real"), condition)
        return fake, real, {}

    def generator_terms(self, inputs: LossInputs) -> Logs:
        """Terms of the generator loss besides the adversarial loss."""
        weight, generated = self.options.mode_seeking_weight, inputs.generated
        if not weight:
            return {}
        latent = inputs.noise.normal("second_latent", self.noise_size)
        second = self.generator(latent, generated.sentence, training=True)
        ratio = losses.mode_seeking(generated.image, second, generated.latent, latent)
        return {"mode_seeking": weight * ratio}

    def encode(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Sentence embeddings of captions [B, T]; mean embeddings of n captions a row [B, n, T]."""
        if tokens["ids"].shape.rank == 2:
            return self.text_encoder(tokens)
        count = tokens["ids"].shape[1]
        each = {name: tf.reshape(it, [-1, *it.shape[2:]]) for name, it in tokens.items()}
        sentences = self.text_encoder(each)
        return tf.reduce_mean(tf.reshape(sentences, [-1, count, sentences.shape[1]]), axis=1)

    def condition(self, sentence: tf.Tensor) -> tf.Tensor:
        """Condition of the discriminator; here the sentence embedding."""
        return sentence

    def critic(
        self, image: tf.Tensor, condition: tf.Tensor, *, noise: StepNoise, name: str
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, Logits]]:
        """Mean logit of each row; and features and logits, with the arguments of `features`."""
        features = self.features(image, noise, name)
        logits = self.logits(features, condition)
        return logits.mean_per_row, (features, logits)

    def features(self, image: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        """Features of images, augmented by the draws called `name` if the recipe augments."""
        return self.features_of(self.augmented(image, noise, name))

    def features_of(self, image: tf.Tensor) -> tf.Tensor:
        """Features of images without augmentation, with the minibatch standard deviation."""
        features, group = self.image_features(image, training=True), self.options.minibatch_group
        if isinstance(features, tuple):  # U-Net: features of the image and of the pixels.
            return with_deviation(features[0], group=group), features[1]
        return with_deviation(features, group=group)

    def logits(self, features: tf.Tensor, condition: tf.Tensor) -> Logits:
        """Logits of image features and discriminator conditions."""
        outputs = tuple(tf.nest.flatten(self.head(features, condition, training=True)))
        conditional = len(outputs) - self.unconditional_outputs
        return Logits(conditional=outputs[:conditional], unconditional=outputs[conditional:])

    def sampler(self, tokenizer: Tokenizer, *, truncation: float) -> Sampler:
        """Sampler of a tokenizer, the EMA text encoder and the EMA generator."""
        return Sampler(
            tokenizer=tokenizer,
            text_encoder=self.average_text_encoder,
            generator=self.average_generator,
            latent_size=self.noise_size,
            truncation=truncation,
        )
