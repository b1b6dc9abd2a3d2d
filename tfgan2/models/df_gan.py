"""DF-GAN: one generator, one discriminator, captions fused in by affine transformations.

Source: Tao et al. 2022, "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis".
Where the published code and the paper differ, this follows the code of 2022: the affine
transformations see the latent beside the sentence, and MA-GP takes the joint norm.
"""

import dataclasses
import itertools

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses, penalties
from tfgan2.adversarial.augment import translate
from tfgan2.adversarial.gan import GAN, Averaging, Batch, Parts, Update
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.sampler import Sampler
from tfgan2.models.blocks import DType, convolution, dense, leaky_relu, upsample
from tfgan2.models.heads import HEADS
from tfgan2.text.encoders import WordCNN
from tfgan2.text.tokenizers import WordTokenizer

IMAGE_SIZES_PX = (32, 64, 128, 256)
FIRST_SIDE_PX = 4


@dataclasses.dataclass(frozen=True)
class DFGANOptions:
    """What defines the two players; every field is a field of the recipe."""

    seed: int
    image_size: int
    latent_size: int
    sentence_size: int
    generator_channels: int
    discriminator_channels: int
    discriminator_head: str
    residual_gate_start: float
    loss: str
    mismatch_weight: float
    ma_gp_weight: float
    ma_gp_power: float
    r1_weight: float
    r2_weight: float
    mode_seeking_weight: float
    augment_translation_px: int


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Generated images [B, S, S, C], what they were drawn from, and the step's noise."""

    image: tf.Tensor
    latent: tf.Tensor
    sentence: tf.Tensor
    noise: StepNoise


def channels_by_block(base: int, image_size: int) -> list[int]:
    """Channels at 4 px, 8 px, ... up to `image_size`, the widest first."""
    blocks = (image_size // FIRST_SIDE_PX).bit_length() - 1
    return [base * min(2**exponent, 8) for exponent in reversed(range(blocks + 1))]


class Affine(keras.layers.Layer):
    """Scales and shifts every channel as the condition says."""

    def __init__(self, channels: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.scale_hidden = dense(channels, dtype=dtype, activation="relu")
        self.scale = keras.layers.Dense(
            channels, kernel_initializer="zeros", bias_initializer="ones", dtype=dtype
        )
        self.shift_hidden = dense(channels, dtype=dtype, activation="relu")
        self.shift = keras.layers.Dense(channels, kernel_initializer="zeros", dtype=dtype)

    def call(self, features: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Transforms features [B, H, W, channels] under conditions [B, D]."""
        scale = self.scale(self.scale_hidden(condition))[:, tf.newaxis, tf.newaxis, :]
        shift = self.shift(self.shift_hidden(condition))[:, tf.newaxis, tf.newaxis, :]
        return scale * features + shift


class Fusion(keras.layers.Layer):
    """Two affine transformations, each followed by a leaky ReLU (DFBlock)."""

    def __init__(self, channels: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.affines = [Affine(channels, dtype=dtype) for _ in range(2)]

    def call(self, features: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Transforms features [B, H, W, channels] under conditions [B, D]."""
        for affine in self.affines:
            features = leaky_relu(affine(features, condition))
        return features


class UpBlock(keras.layers.Layer):
    """Doubles the size: a shortcut plus two convolutions, a fusion before each (UPBlock)."""

    def __init__(self, channels_in: int, channels_out: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.fusions = [Fusion(channels, dtype=dtype) for channels in (channels_in, channels_out)]
        self.convolutions = [convolution(channels_out, 3, dtype=dtype) for _ in range(2)]
        changes = channels_in != channels_out
        self.shortcut = convolution(channels_out, 1, dtype=dtype) if changes else None

    def call(self, features: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Turns [B, H, W, channels_in] into [B, 2H, 2W, channels_out]."""
        residual = features = upsample(features)
        for fusion, conv in zip(self.fusions, self.convolutions, strict=True):
            residual = conv(fusion(residual, condition))
        return residual + (features if self.shortcut is None else self.shortcut(features))


class Generator(keras.Model):
    """Latent and sentence to an image (NetG)."""

    def __init__(
        self,
        *,
        image_size: int,
        image_channels: int,
        latent_size: int,
        sentence_size: int,
        base_channels: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the generator.

        Args:
          image_size: side in pixels, a power of two from 32 to 256.
          image_channels: 1 or 3.
          latent_size: length of the latent.
          sentence_size: length of the sentence.
          base_channels: channels at full size; blocks at 4 px have eight times as many.
          dtype: policy of its layers.
        """
        super().__init__(name="generator", dtype=dtype)
        channels = channels_by_block(base_channels, image_size)
        self.first_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[0])
        self.first = dense(FIRST_SIDE_PX**2 * channels[0], dtype=dtype)
        self.blocks = [
            UpBlock(channels_in, channels_out, dtype=dtype)
            for channels_in, channels_out in itertools.pairwise(channels)
        ]
        self.to_image = convolution(image_channels, 3, dtype=dtype)
        self(tf.zeros([1, latent_size]), tf.zeros([1, sentence_size]))

    def call(self, latent: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
        """Draws images.

        Args:
          latent: float32 [B, latent_size].
          sentence: float32 [B, sentence_size].

        Returns:
          float32 [B, S, S, C] in [-1, 1].
        """
        latent = tf.cast(latent, self.compute_dtype)
        condition = tf.concat([latent, tf.cast(sentence, self.compute_dtype)], axis=1)
        features = tf.reshape(self.first(latent), [-1, *self.first_shape])
        for block in self.blocks:
            features = block(features, condition)
        return tf.tanh(tf.cast(self.to_image(leaky_relu(features)), tf.float32))


class DownBlock(keras.layers.Layer):
    """Halves the size: a pooled shortcut plus gate times two convolutions (D_Block)."""

    def __init__(
        self, channels_in: int, channels_out: int, *, gate_start: float, dtype: DType
    ) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [
            convolution(channels_out, 4, stride=2, use_bias=False, dtype=dtype),
            convolution(channels_out, 3, use_bias=False, dtype=dtype),
        ]
        # The published block holds a shortcut convolution even where it does not use it.
        self.changes = channels_in != channels_out
        self.shortcut = convolution(channels_out, 1, dtype=dtype)
        self.shortcut.trainable = self.changes
        self.gate = self.add_weight(
            name="gate", shape=(), initializer=keras.initializers.Constant(gate_start)
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the shortcut's weights whether it is used or not."""
        self.shortcut.build(input_shape)
        super().build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Turns [B, H, W, channels_in] into [B, H/2, W/2, channels_out]."""
        residual = features
        for conv in self.convolutions:
            residual = leaky_relu(conv(residual))
        shortcut = self.shortcut(features) if self.changes else features
        shortcut = tf.nn.avg_pool2d(shortcut, 2, 2, "VALID")
        return shortcut + tf.cast(self.gate, residual.dtype) * residual


class ImageFeatures(keras.Model):
    """Image to 4x4 feature maps: the discriminator's eye (NetD)."""

    def __init__(
        self,
        *,
        image_size: int,
        image_channels: int,
        base_channels: int,
        gate_start: float,
        dtype: DType = "float32",
    ) -> None:
        """Builds the network.

        Args:
          image_size: side in pixels, a power of two from 32 to 256.
          image_channels: 1 or 3.
          base_channels: channels at full size; at 4 px there are up to eight times as many.
          gate_start: first value of the gates of the residuals (published: 0).
          dtype: policy of its layers.
        """
        super().__init__(name="image_features", dtype=dtype)
        channels = channels_by_block(base_channels, image_size)[::-1]
        self.feature_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[-1])
        self.first = convolution(channels[0], 3, dtype=dtype)
        self.blocks = [
            DownBlock(channels_in, channels_out, gate_start=gate_start, dtype=dtype)
            for channels_in, channels_out in itertools.pairwise(channels)
        ]
        self(tf.zeros([1, image_size, image_size, image_channels]))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Turns images float32 [B, S, S, C] in [-1, 1] into features [B, 4, 4, D]."""
        features = self.first(tf.cast(images, self.compute_dtype))
        for block in self.blocks:
            features = block(features)
        return features


class DFGAN(GAN):
    """The game of DF-GAN; the sentence encoder learns with the discriminator."""

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

        def generator(dtype: DType) -> Generator:
            return Generator(
                image_size=options.image_size,
                image_channels=image_channels,
                latent_size=options.latent_size,
                sentence_size=options.sentence_size,
                base_channels=options.generator_channels,
                dtype=dtype,
            )

        def text_encoder(dtype: DType) -> WordCNN:
            return WordCNN(
                vocabulary_size=vocabulary_size, sentence_size=options.sentence_size, dtype=dtype
            )

        self.generator, self.average_generator = generator(dtype), generator("float32")
        self.text_encoder, self.average_text_encoder = text_encoder(dtype), text_encoder("float32")
        self.image_features = ImageFeatures(
            image_size=options.image_size,
            image_channels=image_channels,
            base_channels=options.discriminator_channels,
            gate_start=options.residual_gate_start,
            dtype=dtype,
        )
        self.head = HEADS[options.discriminator_head](
            feature_shape=self.image_features.feature_shape,
            sentence_size=options.sentence_size,
            dtype=dtype,
        )
        self.start_averages()

    @property
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Generator and sentence encoder."""
        return (
            (self.average_generator, self.generator),
            (self.average_text_encoder, self.text_encoder),
        )

    @property
    def updates(self) -> tuple[Update, ...]:
        """Discriminator with sentence encoder, then generator."""
        judging = (self.image_features, self.head, self.text_encoder)
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

    def generate(self, batch: Batch, noise: StepNoise) -> Fakes:
        """Draws an image for every caption of the batch."""
        sentence = tf.stop_gradient(self.text_encoder(batch["tokens"]))
        latent = noise.normal("latent", self.options.latent_size)
        image = self.generator(latent, sentence)
        return Fakes(image=image, latent=latent, sentence=sentence, noise=noise)

    def discriminator_loss(self, batch: Batch, fakes: Fakes) -> tuple[tf.Tensor, Parts]:
        """Loss over real, generated and mismatched pairs, with the penalties that are on."""
        options, scale = self.options, self.loss_scale("discriminator")
        sentence = self.text_encoder(batch["tokens"])
        real_features = []

        def judge_real(image: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
            real_features.append(self._features(image, fakes.noise, "real"))
            return self.head(real_features[-1], sentence)

        def judge_fake(image: tf.Tensor) -> tf.Tensor:
            return self.head(self._features(image, fakes.noise, "fake"), sentence)

        real_inputs = (batch["image"], sentence)
        penalty = {}
        if options.ma_gp_weight or options.r1_weight:
            real, gradients = penalties.input_gradients(judge_real, real_inputs, scale=scale)
            if options.ma_gp_weight:
                penalty["ma_gp"] = penalties.matching_aware(
                    gradients, weight=options.ma_gp_weight, power=options.ma_gp_power
                )
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
            parts["mode_seeking"] = self.options.mode_seeking_weight * losses.mode_seeking(
                fakes.image, self.generator(latent, fakes.sentence), fakes.latent, latent
            )
            loss += parts["mode_seeking"]
        return loss, parts

    def sampler(self, tokenizer: WordTokenizer, *, truncation: float) -> Sampler:
        """The averaged encoder and generator behind a tokenizer."""
        return Sampler(
            tokenizer=tokenizer,
            text_encoder=self.average_text_encoder,
            generator=self.average_generator,
            latent_size=self.options.latent_size,
            truncation=truncation,
        )

    def _features(self, image: tf.Tensor, noise: StepNoise, name: str) -> tf.Tensor:
        if self.options.augment_translation_px:
            image = translate(
                image, noise, name=name, max_shift_px=self.options.augment_translation_px
            )
        return self.image_features(image)
