"""The generators of StackGAN: stage I generates a small image, stage II enlarges it.

Source: Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks", figure 2, in the forms of its published codes: `tensorflow`,
https://github.com/hanzhanggit/StackGAN, and `pytorch`,
https://github.com/hanzhanggit/StackGAN-Pytorch, which has fewer residual blocks. Two more forms are
variants that IMAGAN's authors tried without publishing code: the generators of `tensorflow` with
residual dense blocks as residual blocks, in `rdn` those of the RDN paper, in `imagan` those of
IMAGAN's code.
"""

import dataclasses
import functools

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import DType, leaky_relu, tile
from tfgan2.models.layers.conditioning import truncated
from tfgan2.models.layers.dense_blocks import DenseBlock, NormalizedDenseBlock, make_dense_block
from tfgan2.models.layers.gan_cls_blocks import (
    Normalized,
    Residual,
    Start,
    channels_by_halving,
    doubling,
    normal_convolution,
    normal_dense,
    up_blocks,
)
from tfgan2.models.stack_gan.options import StackGANOptions

DENSE_FORMS = ("rdn", "imagan")
# Ratio of the image sides of stage II and stage I.
MAGNIFICATION = 4
RESIDUAL_BLOCKS, PYTORCH_RESIDUAL_BLOCKS = 4, 2


def residual_block(
    channels: int, *, options: StackGANOptions, bottleneck: bool, dtype: DType
) -> Residual | DenseBlock | NormalizedDenseBlock:
    """Builds a residual block of a generator; a dense block grows by a quarter of its channels."""
    form, faithful = options.generator_form, options.faithful
    if form not in DENSE_FORMS:
        return Residual(channels, bottleneck=bottleneck, activation=tf.nn.relu, dtype=dtype)
    # IMAGAN's own generator also grows by a quarter, and the bottleneck has that width.
    return make_dense_block(form, channels, growth=channels // 4, faithful=faithful, dtype=dtype)


class ConditioningAugmentation(keras.Model):
    """Conditioning augmentation: maps a sentence embedding to mean and log sigma of its condition.

    In the published `tensorflow` code a leaky ReLU gives log sigma, and the noise is truncated. In
    the `pytorch` code a ReLU gives log sigma squared, and the noise is not truncated.
    """

    def __init__(self, options: StackGANOptions, *, dtype: DType = "float32") -> None:
        """Builds the network.

        Args:
          options: options of the stage; any form of the generator but `pytorch` means `tensorflow`.
          dtype: dtype policy of the layer.
        """
        super().__init__(name="conditioning", dtype=dtype)
        self.form = options.generator_form
        self.conditioning_size = options.conditioning_size
        self.dense = normal_dense(2 * self.conditioning_size, dtype=dtype)
        self(tf.zeros([1, options.sentence_size]))

    def call(self, sentence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log sigma of sentence embeddings [B, E]; each float32 [B, conditioning_size]."""
        units = tf.cast(self.dense(tf.cast(sentence, self.compute_dtype)), tf.float32)
        if self.form == "pytorch":
            mean, log_variance = tf.split(tf.nn.relu(units), 2, axis=1)
            return mean, log_variance / 2.0
        mean, log_sigma = tf.split(leaky_relu(units), 2, axis=1)
        return mean, log_sigma

    def draw(self, sentence: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Samples mean + sigma * noise: float32 [B, conditioning_size].

        Args:
          sentence: sentence embeddings [B, E].
          noise: standard normal; float32 [B, conditioning_size].
        """
        mean, log_sigma = self(sentence)
        return mean + tf.exp(log_sigma) * (noise if self.form == "pytorch" else truncated(noise))


class StageOneGenerator(keras.Model):
    """Maps a latent and a sentence embedding to a small image.

    With 128 channels, latents of 100, conditions of 128 and sentence embeddings of 1024, the form
    `tensorflow` for 64 px has 14,303,360 parameters, of which 39,168 are moving statistics.
    """

    def __init__(
        self, options: StackGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of stage I. Published are 128 base channels, in `pytorch` 192; their
            number must be a multiple of 4. Only `imagan` can be faithful, see
            `ResidualDenseGenerator`.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        # Conditions are sampled in float32, so Keras must not cast the latent.
        super().__init__(name="stage_one_generator", dtype=dtype, autocast=False)
        self.latent_size, form = options.latent_size, options.generator_form
        self.conditioning = ConditioningAugmentation(options, dtype=dtype)
        channels = channels_by_halving(options.generator_channels, options.image_size)[::-1]
        double = functools.partial(doubling, dtype=dtype)
        if form == "pytorch":
            self.start = Start(channels[0], by_channel=False, activation=tf.nn.relu, dtype=dtype)
            self.blocks = [
                Normalized(double(width), activation=tf.nn.relu, dtype=dtype)
                for width in [*channels[1:], options.generator_channels // 2]
            ]
            self.to_image = normal_convolution(image_channels, 3, dtype=dtype)
        else:
            residual = functools.partial(
                residual_block, options=options, bottleneck=True, dtype=dtype
            )
            self.start = Start(channels[0], by_channel=False, use_bias=True, dtype=dtype)
            self.blocks = up_blocks(channels, double=double, residual=residual, dtype=dtype)
            self.to_image = double(image_channels)
        self(tf.zeros([1, self.noise_size]), tf.zeros([1, options.sentence_size]))

    @property
    def noise_size(self) -> int:
        """Number of noise values per row: the latent and the noise of the conditions."""
        return self.latent_size + self.conditioning.conditioning_size

    @property
    def first(self) -> keras.layers.Dense:
        """The layer whose input is the latent."""
        return self.start.dense

    def call(
        self, latent: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Generates images.

        Args:
          latent: standard normal; float32 [B, noise_size]: the latent, then the noise of the
            condition.
          sentence: sentence embeddings; float32 [B, sentence_size].
          training: whether batch normalization uses batch statistics and updates its moving
            statistics.

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1].
        """
        latent, noise = latent[:, : self.latent_size], latent[:, self.latent_size :]
        vector = tf.concat([self.conditioning.draw(sentence, noise), latent], axis=1)
        features = self.start(tf.cast(vector, self.compute_dtype), training=training)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.tanh(tf.cast(self.to_image(features), tf.float32))


class StageTwoGenerator(keras.Model):
    """Maps a latent and a sentence embedding to an image of four times the side of stage I.

    The stage-I generator is frozen: neither its weights nor its moving statistics change. With 128
    channels, conditions of 128 and sentence embeddings of 1024, the form `tensorflow` has, besides
    stage I and for any size, 26,301,792 parameters, of which 11,712 are moving statistics.
    """

    def __init__(
        self, options: StackGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of stage II; stage I has the same options but for the image size.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        # Conditions are sampled in float32, so Keras must not cast the latent.
        super().__init__(name="stage_two_generator", dtype=dtype, autocast=False)
        small = dataclasses.replace(options, image_size=options.image_size // MAGNIFICATION)
        self.stage_one = StageOneGenerator(small, image_channels=image_channels, dtype=dtype)
        self.stage_one.trainable = False
        self.conditioning = ConditioningAugmentation(options, dtype=dtype)

        def normalized(layer: keras.layers.Layer, *, batch_norm: bool = True) -> Normalized:
            return Normalized(layer, activation=tf.nn.relu, batch_norm=batch_norm, dtype=dtype)

        few, middle, many = (factor * options.generator_channels for factor in (1, 2, 4))
        self.down = [
            normalized(normal_convolution(few, 3, dtype=dtype), batch_norm=False),
            normalized(normal_convolution(middle, 4, stride=2, dtype=dtype)),
            normalized(normal_convolution(many, 4, stride=2, dtype=dtype)),
        ]
        pytorch = options.generator_form == "pytorch"
        self.blocks = [
            normalized(normal_convolution(many, 3, dtype=dtype)),
            *[
                residual_block(many, options=options, bottleneck=False, dtype=dtype)
                for _ in range(PYTORCH_RESIDUAL_BLOCKS if pytorch else RESIDUAL_BLOCKS)
            ],
            *[
                normalized(doubling(width, dtype=dtype))
                for width in (middle, few, few // 2, few // 4)
            ],
        ]
        self.to_image = normal_convolution(image_channels, 3, dtype=dtype)
        self(tf.zeros([1, self.noise_size]), tf.zeros([1, options.sentence_size]))

    @property
    def noise_size(self) -> int:
        """Number of noise values per row: the latent and the noise of the conditions."""
        return self.stage_one.noise_size + self.conditioning.conditioning_size

    def load_stage1(self, stage_one: StageOneGenerator) -> None:
        """Copies the weights of a trained stage-I generator with the same options."""
        # Keras lists the weights of frozen layers in another order, so unfreeze them for the copy.
        self.stage_one.trainable = True
        self.stage_one.set_weights(stage_one.get_weights())
        self.stage_one.trainable = False

    def call(
        self, latent: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Generates images.

        Args:
          latent: standard normal; float32 [B, noise_size]: the noise of stage I, then the noise of
            stage II's condition.
          sentence: sentence embeddings; float32 [B, sentence_size].
          training: whether batch normalization uses batch statistics and updates its moving
            statistics; stage I never does.

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1].
        """
        noise_size = self.stage_one.noise_size
        latent, noise = latent[:, :noise_size], latent[:, noise_size:]
        image = tf.stop_gradient(self.stage_one(latent, sentence, training=False))
        features = tf.cast(image, self.compute_dtype)
        for block in self.down:
            features = block(features, training=training)
        condition = tf.cast(self.conditioning.draw(sentence, noise), self.compute_dtype)
        features = tf.concat([features, tile(condition, features)], axis=-1)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.tanh(tf.cast(self.to_image(features), tf.float32))
