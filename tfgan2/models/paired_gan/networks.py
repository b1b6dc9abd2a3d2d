"""The networks of the paired GAN: the generator, and the discriminator's features and head.

Convolutions at the full image size cost most. The discriminator therefore starts with squares of
2x2 pixels as one position, and the generator has few channels at the full size.
"""

import itertools
from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import (
    FIRST_SIDE_PX,
    DType,
    channels_by_block,
    convolution,
    dense,
    doubling_convolution,
    leaky_relu,
    upsample,
)
from tfgan2.models.layers.heads import ProjectionHead
from tfgan2.models.paired_gan.options import PairedGANOptions

STYLE_SIZE = 256
# Channels of the generator's features at full image size.
LAST_CHANNELS = 12


def standardized(sentence: tf.Tensor) -> tf.Tensor:
    """Scales every sentence embedding [B, E] to mean 0 and variance 1, in float32.

    Embeddings of some encoders are much smaller than a normal latent, and would have less effect.
    """
    sentence = tf.cast(sentence, tf.float32)
    mean, variance = tf.nn.moments(sentence, axes=[1], keepdims=True)
    return (sentence - mean) * tf.math.rsqrt(variance + 1e-6)


@tf.custom_gradient
def clip_in_training(image: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Clips pixels to [-1, 1]; a gradient that moves a pixel back into the range still passes.

    A tanh, which the other systems have, has nearly no gradient at white, and drawings on a white
    background collapse. The gradient of `tf.clip_by_value` stops outside the range in both
    directions. TensorFlow cannot save this gradient, so exports clip without it.
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        # A descent step subtracts the gradient.
        leaves = ((image > 1.0) & (upstream < 0.0)) | ((image < -1.0) & (upstream > 0.0))
        return tf.where(leaves, 0.0, upstream)

    return tf.clip_by_value(image, -1.0, 1.0), gradient


class Modulation(keras.layers.Layer):
    """Scales and shifts every channel by linear functions of the style; then a leaky ReLU."""

    def __init__(self, channels: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.scale_and_shift = dense(2 * channels, dtype=dtype)

    def call(self, features: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
        """Transforms features [B, H, W, channels] under styles [B, D]."""
        both = self.scale_and_shift(style)[:, tf.newaxis, tf.newaxis, :]
        scale, shift = tf.split(both, 2, axis=-1)
        return leaky_relu((1.0 + scale) * features + shift)


class UpBlock(keras.layers.Layer):
    """2x upsampling, then a shortcut plus two convolutions, each after a modulation."""

    def __init__(self, channels_in: int, channels_out: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.modulations = [Modulation(it, dtype=dtype) for it in (channels_in, channels_out)]
        self.convolutions = [
            doubling_convolution(channels_out, dtype=dtype),
            convolution(channels_out, 3, dtype=dtype),
        ]
        self.shortcut = convolution(channels_out, 1, dtype=dtype)

    def call(self, features: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
        """Maps [B, H, W, channels_in] to [B, 2H, 2W, channels_out]."""
        residual = features
        for modulation, conv in zip(self.modulations, self.convolutions, strict=True):
            residual = conv(modulation(residual, style))
        return upsample(self.shortcut(features)) + residual


class Generator(keras.Model):
    """Maps a latent and a sentence embedding to an image; both set the first features too."""

    def __init__(
        self, options: PairedGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of the system; blocks at 4 px have up to eight times
            `generator_channels`.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="generator", dtype=dtype)
        channels = channels_by_block(options.generator_channels, options.image_size // 2)
        self.first_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[0])
        self.style = dense(STYLE_SIZE, dtype=dtype)
        self.first = dense(FIRST_SIDE_PX**2 * channels[0], dtype=dtype)
        self.blocks = [UpBlock(*pair, dtype=dtype) for pair in itertools.pairwise(channels)]
        self.last = Modulation(channels[-1], dtype=dtype)
        self.to_full_size = doubling_convolution(LAST_CHANNELS, dtype=dtype)
        self.to_image = convolution(image_channels, 3, dtype=dtype)
        self(tf.zeros([1, options.latent_size]), tf.zeros([1, options.sentence_size]))

    def call(self, latent: tf.Tensor, sentence: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Generates images.

        Args:
          latent: float32 [B, latent_size].
          sentence: sentence embeddings; float32 [B, sentence_size].
          training: whether the gradient of the clipped pixels is needed.

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1].
        """
        condition = tf.concat([tf.cast(latent, tf.float32), standardized(sentence)], axis=1)
        style = leaky_relu(self.style(tf.cast(condition, self.compute_dtype)))
        features = tf.reshape(self.first(style), [-1, *self.first_shape])
        for block in self.blocks:
            features = block(features, style)
        features = leaky_relu(self.to_full_size(self.last(features, style)))
        image = tf.cast(self.to_image(features), tf.float32)
        return clip_in_training(image) if training else tf.clip_by_value(image, -1.0, 1.0)


class DownBlock(keras.layers.Layer):
    """Halves the size: a pooled shortcut plus two convolutions, as in DF-GAN without its gate."""

    def __init__(self, channels_in: int, channels_out: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [
            convolution(channels_out, 4, stride=2, dtype=dtype),
            convolution(channels_out, 3, dtype=dtype),
        ]
        self.shortcut = convolution(channels_out, 1, dtype=dtype)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Maps [B, H, W, channels_in] to [B, H/2, W/2, channels_out]."""
        residual = features
        for conv in self.convolutions:
            residual = leaky_relu(conv(residual))
        return self.shortcut(tf.nn.avg_pool2d(features, 2, 2, "VALID")) + residual


class ImageFeatures(keras.Model):
    """The discriminator's feature extractor: an image to 4x4 feature maps."""

    def __init__(
        self, options: PairedGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the network.

        Args:
          options: options of the system; features at 4 px have up to eight times
            `discriminator_channels`.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="image_features", dtype=dtype)
        channels = channels_by_block(options.discriminator_channels, options.image_size // 2)[::-1]
        self.feature_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[-1])
        self.first = convolution(channels[0], 3, dtype=dtype)
        self.blocks = [DownBlock(*pair, dtype=dtype) for pair in itertools.pairwise(channels)]
        self(tf.zeros([1, options.image_size, options.image_size, image_channels]))

    @property
    def down_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block; the first block includes the first convolution."""
        first, *others = self.blocks
        return [[self.first, first], *([block] for block in others)]

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Maps images, float32 [B, S, S, C] in [-1, 1], to features [B, 4, 4, D]."""
        return self.block_outputs(images)[-1]

    def block_outputs(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Maps images, as for `call`, to the features of each block: S/4 px, S/8 px, ... 4 px."""
        squares = tf.nn.space_to_depth(tf.cast(images, self.compute_dtype), 2)
        features, outputs = self.first(squares), []
        for block in self.blocks:
            features = block(features)
            outputs.append(features)
        return outputs


class StandardizedHead(ProjectionHead):
    """A projection head of standardized sentence embeddings."""

    def call(self, features: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
        """Logits, float32 [B], of features [B, H, W, D] and sentence embeddings [B, E]."""
        return super().call(features, standardized(sentence))
