"""DF-GAN: one generator, one discriminator, captions fused in by affine transformations.

Source: Tao et al. 2022, "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis".
Where the published codes and the paper differ, options say which is followed, and their defaults
are the code of 2022: MA-GP takes the joint norm of image and sentence and is a part of the
discriminator's loss. The code of 2020 gives it an update of its own, and the paper adds two norms.
The mismatched pairs of both forms are those of 2022: every image with the caption of the row
before.
"""

import dataclasses

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties
from tfgan2.adversarial.augment import translate
from tfgan2.adversarial.gan import GAN, Averaging, Batch, Parts, Update
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import Sampler
from tfgan2.models.blocks import DType
from tfgan2.models.df_gan_networks import FORMS, IMAGE_SIZES_PX, Generator, ImageFeatures
from tfgan2.models.heads import HEADS
from tfgan2.models.residual_dense import ResidualDenseGenerator
from tfgan2.text.encoders import TextOptions, make_encoder
from tfgan2.text.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True)
class DFGANOptions(TextOptions):
    """What defines the two players; every field is a field of the recipe."""

    seed: int
    image_size: int
    freeze_text_encoder: bool
    latent_size: int
    generator_form: str
    generator_channels: int
    discriminator_form: str
    discriminator_channels: int
    discriminator_head: str
    residual_gate_start: float
    loss: str
    mismatch_weight: float
    ma_gp_weight: float
    ma_gp_power: float
    ma_gp_norm: str
    ma_gp_update: str
    r1_weight: float
    r2_weight: float
    mode_seeking_weight: float
    augment_translation_px: int
    generator_learning_rate: float
    discriminator_learning_rate: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    faithful: bool


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Generated images [B, S, S, C], what they were drawn from, and the step's noise."""

    image: tf.Tensor
    latent: tf.Tensor
    sentence: tf.Tensor
    noise: StepNoise


class DFGAN(GAN):
    """The game of DF-GAN; a text encoder that is not frozen learns with the discriminator."""

    options_class = DFGANOptions
    image_sizes_px = IMAGE_SIZES_PX

    def __init__(
        self,
        options: DFGANOptions,
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
          averaging: how fast the averages that are sampled follow.
          dtype: policy of the live networks; the averages are float32.
        """
        super().__init__(name="df_gan", seed=options.seed, averaging=averaging)
        self.options = options

        def text_encoder(dtype: DType) -> keras.Model:
            return make_encoder(options, vocabulary_size=vocabulary_size, dtype=dtype)

        self.generator = make_generator(options, image_channels=image_channels, dtype=dtype)
        self.average_generator = make_generator(
            options, image_channels=image_channels, dtype="float32"
        )
        self.average_text_encoder = text_encoder("float32")
        if options.freeze_text_encoder:
            self.text_encoder = self.average_text_encoder
            self.text_encoder.trainable = False
        else:
            self.text_encoder = text_encoder(dtype)
        self.image_features = ImageFeatures(
            image_size=options.image_size,
            image_channels=image_channels,
            base_channels=options.discriminator_channels,
            gate_start=options.residual_gate_start,
            form=options.discriminator_form,
            dtype=dtype,
        )
        self.head = HEADS[options.discriminator_head](
            feature_shape=self.image_features.feature_shape,
            sentence_size=options.sentence_size,
            base_channels=options.discriminator_channels,
            dtype=dtype,
        )
        self.start_averages()

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Generator, and text encoder if it learns."""
        generator = (self.average_generator, self.generator)
        if self.options.freeze_text_encoder:
            return (generator,)
        return (generator, (self.average_text_encoder, self.text_encoder))

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator with text encoder, its penalty if that is separate, then generator."""
        judging = (self.image_features, self.head, self.text_encoder)
        judges = [variable for network in judging for variable in network.trainable_variables]
        optimizer = self.optimizers["discriminator"]
        discriminator = Update("discriminator", self.discriminator_loss, judges, optimizer)
        penalty = Update("penalty", self.penalty_loss, judges, optimizer, draws=False)
        generator = Update(
            "generator",
            self.generator_loss,
            self.generator.trainable_variables,
            self.optimizers["generator"],
        )
        if self.options.ma_gp_weight and self.options.ma_gp_update == "separate":
            return (discriminator, penalty, generator)
        return (discriminator, generator)

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both players; the penalty moves the discriminator by the same one."""
        options = self.options
        rates = {
            "discriminator": options.discriminator_learning_rate,
            "generator": options.generator_learning_rate,
        }
        return {
            name: keras.optimizers.Adam(
                rate, options.adam_beta1, options.adam_beta2, options.adam_epsilon
            )
            for name, rate in rates.items()
        }

    def read_with(self, text_encoder: keras.Model) -> None:
        """Takes the weights of a text encoder of the same options."""
        self.text_encoder.set_weights(text_encoder.get_weights())
        self.average_text_encoder.set_weights(text_encoder.get_weights())

    def generate(self, batch: Batch, noise: StepNoise) -> Fakes:
        """Draws an image for every caption of the batch."""
        sentence = tf.stop_gradient(self.text_encoder(batch["tokens"]))
        latent = noise.normal("latent", self.options.latent_size)
        image = self.generator(latent, sentence, training=True)
        return Fakes(image=image, latent=latent, sentence=sentence, noise=noise)

    def discriminator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss over real, generated and mismatched pairs, with the penalties that belong to it."""
        options, scale = self.options, self.loss_scale("discriminator")
        ma_gp_weight = options.ma_gp_weight if options.ma_gp_update == "joint" else 0.0
        sentence = self.text_encoder(batch["tokens"])
        real_features = []

        def judge_real(image: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
            real_features.append(self._features(image, fakes.noise, "real"))
            return self.head(real_features[-1], sentence)

        def judge_fake(image: tf.Tensor) -> tf.Tensor:
            return self.head(self._features(image, fakes.noise, "fake"), sentence)

        real_inputs = (batch["image"], sentence)
        penalty = {}
        if ma_gp_weight or options.r1_weight:
            real, gradients = penalties.input_gradients(judge_real, real_inputs, scale=scale)
            if ma_gp_weight:
                penalty["ma_gp"] = self._matching_aware(gradients)
            if options.r1_weight:
                penalty["r1"] = penalties.zero_centred(gradients[:1], weight=options.r1_weight)
        else:
            real = judge_real(*real_inputs)
        if options.r2_weight:
            fake, gradients = penalties.input_gradients(judge_fake, [fakes.image], scale=scale)
            penalty["r2"] = penalties.zero_centred(gradients, weight=options.r2_weight)
        else:
            fake = judge_fake(fakes.image)
        mismatched = self.head(real_features[-1], self.text_encoder(batch["mismatched_tokens"]))

        discriminate = {
            "hinge": losses.hinge_discriminator,
            "relativistic": losses.relativistic_discriminator,
        }[options.loss]
        loss = discriminate(real, fake, mismatched, mismatch_weight=options.mismatch_weight)
        parts = {
            "loss": loss,
            "real_logit": tf.reduce_mean(real),
            "fake_logit": tf.reduce_mean(fake),
            "mismatched_logit": tf.reduce_mean(mismatched),
            **penalty,
        }
        return loss + tf.add_n([*penalty.values(), 0.0]), parts

    def penalty_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """MA-GP alone, of the discriminator as its own update has left it."""

        def judge(image: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
            return self.head(self._features(image, noise, "real"), sentence)

        inputs = (batch["image"], self.text_encoder(batch["tokens"]))
        scale = self.loss_scale("discriminator")
        _, gradients = penalties.input_gradients(judge, inputs, scale=scale)
        loss = self._matching_aware(gradients)
        return loss, {"ma_gp": loss}

    def generator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss of the generator against the discriminator as it stands."""
        fake = self.head(self._features(fakes.image, fakes.noise, "fake"), fakes.sentence)
        if self.options.loss == "hinge":
            loss = losses.hinge_generator(fake)
        else:
            real = self.head(self._features(batch["image"], fakes.noise, "real"), fakes.sentence)
            loss = losses.relativistic_generator(real, fake)
        parts = {"loss": loss}
        if self.options.mode_seeking_weight:
            latent = fakes.noise.normal("second_latent", self.options.latent_size)
            second = self.generator(latent, fakes.sentence, training=True)
            parts["mode_seeking"] = self.options.mode_seeking_weight * losses.mode_seeking(
                fakes.image, second, fakes.latent, latent
            )
            loss += parts["mode_seeking"]
        return loss, parts

    def sampler(self, tokenizer: Tokenizer, *, truncation: float) -> Sampler:
        """The averaged encoder and generator behind a tokenizer."""
        return Sampler(
            tokenizer=tokenizer,
            text_encoder=self.average_text_encoder,
            generator=self.average_generator,
            latent_size=self.options.latent_size,
            truncation=truncation,
        )

    def _matching_aware(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        return penalties.matching_aware(
            gradients,
            weight=self.options.ma_gp_weight,
            power=self.options.ma_gp_power,
            norm=self.options.ma_gp_norm,
        )

    def _features(self, image: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        if self.options.augment_translation_px:
            image = translate(
                image, noise, name=name, max_shift_px=self.options.augment_translation_px
            )
        return self.image_features(image)


def make_generator(
    options: DFGANOptions, *, image_channels: int, dtype: DType
) -> Generator | ResidualDenseGenerator:
    """Builds the generator that the options name, with new weights."""
    if options.generator_form in FORMS:
        return Generator(
            image_size=options.image_size,
            image_channels=image_channels,
            latent_size=options.latent_size,
            sentence_size=options.sentence_size,
            base_channels=options.generator_channels,
            form=options.generator_form,
            dtype=dtype,
        )
    return ResidualDenseGenerator(
        image_size=options.image_size,
        image_channels=image_channels,
        latent_size=options.latent_size,
        sentence_size=options.sentence_size,
        base_channels=options.generator_channels,
        block=options.generator_form,
        faithful=options.faithful,
        dtype=dtype,
    )
