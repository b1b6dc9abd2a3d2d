"""IMAGAN's generator: a residual dense block combines sentence embedding and features at 16 px.

Source: the code of IMAGAN, https://github.com/Abhishek-Aditya-bs/IMAGAN-Text-To-Image-Using-GAN.
Its block is a variant of the residual dense block of Zhang et al. 2018, "Residual Dense Network for
Image Super-Resolution", section 3.2. An option selects either block; all else follows the code.
"""

import functools

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.df_gan.options import DFGANOptions
from tfgan2.models.layers.blocks import (
    FIRST_SIDE_PX,
    DType,
    convolution,
    dense,
    doubling_convolution,
    leaky_relu,
    tile,
)
from tfgan2.models.layers.dense_blocks import batch_normalization, make_dense_block

# Channels at 4, 8, ... 256 px as multiples of the base channels.
CHANNEL_MULTIPLES = (8, 8, 8, 8, 4, 2, 1)
STAGES_BEFORE_SENTENCE = 2
# The published code always has a growth of 64, with 32 base channels.
GROWTH_MULTIPLE = 2
RESIDUAL_BLOCKS = 2


class UpStage(keras.layers.Layer):
    """2x upsampling: three convolutions plus a gated one, then normalization (upSample)."""

    def __init__(self, channels: int, *, faithful: bool, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        double = functools.partial(doubling_convolution, channels, use_bias=False, dtype=dtype)
        self.convolutions = [
            double(),
            *(convolution(channels, 3, use_bias=False, dtype=dtype) for _ in range(2)),
        ]
        self.shortcut = double()
        self.gate = self.add_weight(
            name="gate", shape=(), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )
        self.normalization = batch_normalization(faithful=faithful, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [B, H, W, D] to [B, 2H, 2W, channels]."""
        residual = features
        for conv in self.convolutions:
            residual = leaky_relu(conv(residual))
        gate = tf.cast(self.gate, residual.dtype)
        joined = residual + gate * self.shortcut(features)
        return leaky_relu(self.normalization(joined, training=training))


class ResidualBlock(keras.layers.Layer):
    """Two convolutions and an identity shortcut (ResBlock)."""

    def __init__(self, channels: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [
            convolution(channels, 3, use_bias=False, dtype=dtype) for _ in range(2)
        ]

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Transforms features [B, H, W, channels]."""
        first, second = self.convolutions
        return leaky_relu(features + second(leaky_relu(first(features))))


class ResidualDenseGenerator(keras.Model):
    """Maps a latent and a sentence embedding to an image (RDBGenerator).

    Up to 16 px the features depend only on the latent. At 16 px the sentence embedding is
    concatenated twice; further stages double the size. Images smaller than the published 256 px
    leave out the last stages; all other stages are as published.
    """

    def __init__(
        self, options: DFGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of DF-GAN. The form is the block: `imagan`, as in the published code, or
            `rdn`, as in the paper. The base channels are those at 256 px. `faithful`: batch
            normalization has epsilon 0.8, as in the published code, which intended 0.8 as the
            momentum.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.

        Raises:
          ValueError: there is no such block.
        """
        super().__init__(name="generator", dtype=dtype)
        base_channels, faithful = options.generator_channels, options.faithful
        sides = (options.image_size // FIRST_SIDE_PX).bit_length()
        channels = [base_channels * multiple for multiple in CHANNEL_MULTIPLES[:sides]]
        self.first_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[0])
        self.first = dense(FIRST_SIDE_PX**2 * channels[0], dtype=dtype)
        stages = [
            UpStage(channels_out, faithful=faithful, dtype=dtype) for channels_out in channels[1:]
        ]
        self.early_stages = stages[:STAGES_BEFORE_SENTENCE]
        self.late_stages = stages[STAGES_BEFORE_SENTENCE:]
        self.dense_block = make_dense_block(
            options.generator_form,
            channels[0],
            growth=GROWTH_MULTIPLE * base_channels,
            faithful=faithful,
            dtype=dtype,
        )
        self.join = convolution(channels[0], 3, use_bias=False, dtype=dtype)
        self.normalization = batch_normalization(faithful=faithful, dtype=dtype)
        self.residual_blocks = [
            ResidualBlock(channels[0], dtype=dtype) for _ in range(RESIDUAL_BLOCKS)
        ]
        self.to_image = convolution(image_channels, 3, use_bias=False, dtype=dtype)
        self(tf.zeros([1, options.latent_size]), tf.zeros([1, options.sentence_size]))

    def call(self, latent: tf.Tensor, sentence: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Generates images.

        Args:
          latent: float32 [B, latent_size].
          sentence: sentence embeddings; float32 [B, sentence_size].
          training: whether batch normalization uses batch statistics and updates its moving
            statistics.

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1].
        """
        sentence = tf.cast(sentence, self.compute_dtype)
        features = self.first(tf.cast(latent, self.compute_dtype))
        features = tf.reshape(features, [-1, *self.first_shape])
        for stage in self.early_stages:
            features = stage(features, training=training)
        features = self.dense_block(_join(features, sentence), training=training)
        features = self.join(_join(features, sentence))
        features = leaky_relu(self.normalization(features, training=training))
        for block in self.residual_blocks:
            features = block(features)
        for stage in self.late_stages:
            features = stage(features, training=training)
        return tf.tanh(tf.cast(self.to_image(features), tf.float32))


def _join(features: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
    return tf.concat([features, tile(sentence, features)], axis=-1)
