"""Matching-aware training, which DF-GAN, GAN-CLS and StackGAN share.

The generator maps captions to images. The conditional discriminator trains on three kinds of pairs:
real images with their captions, generated images with their captions, and real images with
mismatched captions. Some published codes combine the caption with another image instead of the
image with another caption; shifting captions or images by one row gives the same pairs.
"""

import abc
import dataclasses

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import cutmix, losses, penalties, spectral
from tfgan2.adversarial.ema import Averaging
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import Sampler
from tfgan2.adversarial.updates import PENALTY, Batch, Judging, Parts, Update
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.minibatch_deviation import with_deviation
from tfgan2.models.matching_aware.options import MatchingAwareOptions
from tfgan2.optimizers.make import make_adams
from tfgan2.text.encoders import make_encoder
from tfgan2.text.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Generated images [B, S, S, C], their latents and sentence embeddings, the step's noise."""

    image: tf.Tensor
    latent: tf.Tensor
    sentence: tf.Tensor
    noise: StepNoise


class MatchingAwareGAN(GAN):
    """Base of matching-aware GANs; the discriminator update trains an unfrozen text encoder."""

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
        """Builds the networks.

        Args:
          options: options of the system.
          name: name of the system.
          vocabulary_size: number of ids of the tokenizer, padding included.
          averaging: EMA options.
          dtype: dtype policy of the live networks; the EMA networks are float32.
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

    def judged_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape of the head's input, with the channel of the minibatch standard deviation."""
        height, width, channels = shape
        return height, width, channels + (self.options.minibatch_group > 0)

    @property
    def noise_size(self) -> int:
        """Number of noise values that the generator needs per row."""
        return self.options.latent_size

    @property
    def alone_outputs(self) -> int:
        """Number of unconditional logits; they are the last outputs of the head."""
        return 0

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Generator, and text encoder if it is trained."""
        generator = (self.average_generator, self.generator)
        if self.options.freeze_text_encoder:
            return (generator,)
        return (generator, (self.average_text_encoder, self.text_encoder))

    @property
    def judging(self) -> Judging:
        """Names of the discriminator statistics in the logs."""
        guessing = {"discriminator/loss": losses.OF_GUESSING[self.options.loss]}
        return Judging("discriminator/real_logit", "discriminator/fake_logit", guessing)

    @property
    def judging_networks(self) -> tuple[keras.Model, ...]:
        """Networks that the discriminator update trains."""
        return (self.image_features, self.head, self.text_encoder)

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator with text encoder, then MA-GP if it is separate, then generator."""
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
        """The recipe's optimizers of generator and discriminator; default: Adam."""
        options = self.options
        rates = {
            "discriminator": options.discriminator_learning_rate,
            "generator": options.generator_learning_rate,
        }
        steps_per_epoch = images_per_epoch / self.averaging.batch_size
        return make_adams(options, rates, steps_per_epoch=steps_per_epoch)

    def read_with(self, text_encoder: keras.Model) -> None:
        """Copies the weights of a pretrained text encoder with the same options."""
        self.text_encoder.set_weights(text_encoder.get_weights())
        self.average_text_encoder.set_weights(text_encoder.get_weights())

    def encode(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Sentence embeddings of captions [B, T]; mean embeddings of n captions a row [B, n, T]."""
        if tokens["ids"].shape.rank == 2:
            return self.text_encoder(tokens)
        count = tokens["ids"].shape[1]
        each = {name: tf.reshape(it, [-1, *it.shape[2:]]) for name, it in tokens.items()}
        sentences = self.text_encoder(each)
        return tf.reduce_mean(tf.reshape(sentences, [-1, count, sentences.shape[1]]), axis=1)

    def judged_sentence(self, sentence: tf.Tensor) -> tf.Tensor:
        """Condition of the discriminator; here the sentence embedding."""
        return sentence

    def judge(self, features: tf.Tensor, sentence: tf.Tensor) -> Logits:
        """Logits of image features and discriminator conditions."""
        outputs = tuple(tf.nest.flatten(self.head(features, sentence, training=True)))
        matched = len(outputs) - self.alone_outputs
        return Logits(matched=outputs[:matched], alone=outputs[matched:])

    def features(self, image: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        """Features of images, augmented by the draws called `name` if the recipe augments."""
        return self.features_of(self.augmented(image, noise, name))

    def features_of(self, image: tf.Tensor) -> tf.Tensor:
        """Features of images without augmentation, with the minibatch standard deviation."""
        features, group = self.image_features(image, training=True), self.options.minibatch_group
        if isinstance(features, tuple):  # U-Net: features of the image and of the pixels.
            return with_deviation(features[0], group=group), features[1]
        return with_deviation(features, group=group)

    def generate(self, batch: Batch, noise: StepNoise) -> Fakes:
        """Generates an image for every caption of the batch."""
        sentence = tf.stop_gradient(self.encode(batch["tokens"]))
        latent = noise.normal("latent", self.noise_size)
        image = self.generator(latent, sentence, training=True)
        return Fakes(image=image, latent=latent, sentence=sentence, noise=noise)

    @property
    def penalizes_matching(self) -> bool:
        """Whether MA-GP is a term of the discriminator loss."""
        return self.options.ma_gp_weight > 0.0 and self.options.ma_gp_update == "joint"

    def real_penalties(self, gradients: list[tf.Tensor]) -> Parts:
        """MA-GP and R1, from the gradients of the logit by real image and sentence embedding."""
        parts = {"ma_gp": self.matching_aware(gradients)} if self.penalizes_matching else {}
        weight = self.options.r1_weight * self.penalty_factor
        return (
            {**parts, "r1": penalties.zero_centred(gradients[:1], weight=weight)}
            if weight
            else parts
        )

    def matching_aware(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """MA-GP, from the gradients of the logit by real image and its sentence embedding."""
        return penalties.matching_aware(
            gradients,
            weight=self.options.ma_gp_weight * self.penalty_factor,
            power=self.options.ma_gp_power,
            norm=self.options.ma_gp_norm,
        )

    def penalty_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """MA-GP as a separate update, after the discriminator update."""

        def judge(image: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
            return self.judge(self.features(image, noise, "real"), sentence).rows

        sentence = self.judged_sentence(self.encode(batch["tokens"]))
        scale = self.loss_scale("discriminator")
        _, gradients = penalties.input_gradients(judge, (batch["image"], sentence), scale=scale)
        loss = self.matching_aware(gradients)
        return loss, {"ma_gp": loss}

    def discriminator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Discriminator loss over real, generated and mismatched pairs, plus gradient penalties."""
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

        # Logits of real and generated pairs, with gradient penalties in steps that have them.
        # The functions collect features and logits in `seen`: first real, then generated.
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

        # Logits of mismatched pairs; they reuse the features of the real images.
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
        """Generator loss against the current discriminator."""
        judged = tf.stop_gradient(self.judged_sentence(fakes.sentence))
        fake = self.judge(self.features(fakes.image, fakes.noise, "fake"), judged)
        real = None
        if self.options.loss == "relativistic":
            real = self.judge(self.features(batch["image"], fakes.noise, "real"), judged)
        loss = losses.generator(self.options.loss, fake=fake, real=real)
        terms = self.generator_terms(fakes)
        return loss + tf.add_n([*terms.values(), 0.0]), {"loss": loss, **terms}

    def generator_terms(self, fakes: Fakes) -> Parts:
        """Terms of the generator loss besides the adversarial loss."""
        weight = self.options.mode_seeking_weight
        if not weight:
            return {}
        latent = fakes.noise.normal("second_latent", self.noise_size)
        second = self.generator(latent, fakes.sentence, training=True)
        ratio = losses.mode_seeking(fakes.image, second, fakes.latent, latent)
        return {"mode_seeking": weight * ratio}

    def sampler(self, tokenizer: Tokenizer, *, truncation: float) -> Sampler:
        """Sampler of a tokenizer, the EMA text encoder and the EMA generator."""
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
        """CutMix loss of images mixed by boxes, and consistency loss of their pixel logits."""
        mask = cutmix.masks(fakes.noise, name="cutmix", image_size=self.options.image_size)
        # Same augmentation as the logits that the consistency loss mixes.
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
