"""The networks of DF-GAN: the generator, and the discriminator's feature extractor.

Source: Tao et al. 2022, "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis",
figure 2, in the two forms of its published code. 2022: the affine transformations depend on latent
and sentence embedding. 2020: they depend only on the sentence embedding, there is one more block at
4 px, a gate scales each residual of the generator, and the discriminator has up to 16 times its
base channels instead of 8.
"""

import itertools

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.df_gan.options import DFGANOptions
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

FORMS = ("2022", "2020")
# Channels at 4 px in the discriminator, at most, as a multiple of the channels at full size.
WIDEST = {"2022": 8, "2020": 16}


class Affine(keras.layers.Layer):
    """Scales and shifts every channel by functions of the condition."""

    def __init__(self, channels: int, *, hidden: int, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.scale_hidden = dense(hidden, dtype=dtype, activation="relu")
        self.scale = keras.layers.Dense(
            channels, kernel_initializer="zeros", bias_initializer="ones", dtype=dtype
        )
        self.shift_hidden = dense(hidden, dtype=dtype, activation="relu")
        self.shift = keras.layers.Dense(channels, kernel_initializer="zeros", dtype=dtype)

    def call(self, features: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Transforms features [B, H, W, channels] under conditions [B, D]."""
        scale = self.scale(self.scale_hidden(condition))[:, tf.newaxis, tf.newaxis, :]
        shift = self.shift(self.shift_hidden(condition))[:, tf.newaxis, tf.newaxis, :]
        return scale * features + shift


class Fusion(keras.layers.Layer):
    """Two affine transformations, each followed by a leaky ReLU (DFBlock)."""

    def __init__(self, channels: int, *, hidden: int, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.affines = [Affine(channels, hidden=hidden, dtype=dtype) for _ in range(2)]

    def call(self, features: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Transforms features [B, H, W, channels] under conditions [B, D]."""
        for affine in self.affines:
            features = leaky_relu(affine(features, condition))
        return features


class UpBlock(keras.layers.Layer):
    """2x upsampling, then a shortcut plus two convolutions, each after a fusion (UPBlock).

    Args:
      channels_in: channels of the input.
      channels_out: channels of the output.
      hidden: hidden units of the affine transformations; 0: the number of channels.
      doubles: whether to upsample; the first block of the 2020 form does not.
      gated: whether a trained gate, initially 0, scales the residual.
      dtype: dtype policy of the layers.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        hidden: int,
        doubles: bool,
        gated: bool,
        dtype: DType,
    ) -> None:
        super().__init__(dtype=dtype)
        self.doubles = doubles
        self.fusions = [
            Fusion(channels, hidden=hidden or channels, dtype=dtype)
            for channels in (channels_in, channels_out)
        ]
        self.convolutions = [
            doubling_convolution(channels_out, dtype=dtype)
            if doubles
            else convolution(channels_out, 3, dtype=dtype),
            convolution(channels_out, 3, dtype=dtype),
        ]
        changes = channels_in != channels_out
        self.shortcut = convolution(channels_out, 1, dtype=dtype) if changes else None
        self.gate = self.add_weight(name="gate", shape=(), initializer="zeros") if gated else None

    def call(self, features: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Maps [B, H, W, channels_in] to [B, 2H, 2W, channels_out], or to [B, H, W, ...]."""
        # Nearest upsampling commutes with pixelwise ops; before it they cost a quarter.
        residual = features
        for fusion, conv in zip(self.fusions, self.convolutions, strict=True):
            residual = conv(fusion(residual, condition))
        if self.gate is not None:
            residual = tf.cast(self.gate, residual.dtype) * residual
        shortcut = features if self.shortcut is None else self.shortcut(features)
        return residual + (upsample(shortcut) if self.doubles else shortcut)


class Generator(keras.Model):
    """Maps a latent and a sentence embedding to an image (NetG)."""

    def __init__(
        self, options: DFGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of DF-GAN; the form is `2022` or `2020`; blocks at 4 px have eight times
            the channels at full size.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="generator", dtype=dtype)
        self.form = options.generator_form
        channels = channels_by_block(options.generator_channels, options.image_size)
        self.first_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[0])
        self.first = dense(FIRST_SIDE_PX**2 * channels[0], dtype=dtype)
        early = self.form == "2020"
        # The 2020 form has one more first block, which keeps the size of 4 px.
        self.blocks = [
            UpBlock(
                channels_in,
                channels_out,
                hidden=options.sentence_size if early else 0,
                doubles=number >= early,
                gated=early,
                dtype=dtype,
            )
            for number, (channels_in, channels_out) in enumerate(
                itertools.pairwise(channels[:1] * early + channels)
            )
        ]
        self.to_image = convolution(image_channels, 3, dtype=dtype)
        self(tf.zeros([1, options.latent_size]), tf.zeros([1, options.sentence_size]))

    def call(self, latent: tf.Tensor, sentence: tf.Tensor) -> tf.Tensor:
        """Generates images.

        Args:
          latent: float32 [B, latent_size].
          sentence: sentence embeddings; float32 [B, sentence_size].

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1].
        """
        latent = tf.cast(latent, self.compute_dtype)
        condition = tf.cast(sentence, self.compute_dtype)
        if self.form == "2022":
            condition = tf.concat([latent, condition], axis=1)
        features = tf.reshape(self.first(latent), [-1, *self.first_shape])
        for block in self.blocks:
            features = block(features, condition)
        return tf.tanh(tf.cast(self.to_image(leaky_relu(features)), tf.float32))


class DownBlock(keras.layers.Layer):
    """Halves the size: a pooled shortcut plus a gated residual of two convolutions (D_Block)."""

    def __init__(
        self, channels_in: int, channels_out: int, *, gate_start: float, dtype: DType
    ) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [
            convolution(channels_out, 4, stride=2, use_bias=False, dtype=dtype),
            convolution(channels_out, 3, use_bias=False, dtype=dtype),
        ]
        # The published block has the shortcut's weights even if it does not use the shortcut.
        self.changes = channels_in != channels_out
        self.shortcut = convolution(channels_out, 1, dtype=dtype)
        self.shortcut.trainable = self.changes
        self.gate = self.add_weight(
            name="gate", shape=(), initializer=keras.initializers.Constant(gate_start)
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the weights of the shortcut, even if it is not used."""
        self.shortcut.build(input_shape)
        super().build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Maps [B, H, W, channels_in] to [B, H/2, W/2, channels_out]."""
        residual = features
        for conv in self.convolutions:
            residual = leaky_relu(conv(residual))
        # Pooling commutes with the 1x1 convolution; after pooling it costs a quarter.
        shortcut = tf.nn.avg_pool2d(features, 2, 2, "VALID")
        shortcut = self.shortcut(shortcut) if self.changes else shortcut
        return shortcut + tf.cast(self.gate, residual.dtype) * residual


class ImageFeatures(keras.Model):
    """The discriminator's feature extractor: an image to 4x4 feature maps (NetD)."""

    def __init__(
        self, options: DFGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the network.

        Args:
          options: options of DF-GAN; the form is `2022` or `2020`.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="image_features", dtype=dtype)
        base, widest = options.discriminator_channels, WIDEST[options.discriminator_form]
        channels = channels_by_block(base, options.image_size, widest=widest)[::-1]
        self.feature_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[-1])
        self.first = convolution(channels[0], 3, dtype=dtype)
        self.blocks = [
            DownBlock(
                channels_in, channels_out, gate_start=options.residual_gate_start, dtype=dtype
            )
            for channels_in, channels_out in itertools.pairwise(channels)
        ]
        self(tf.zeros([1, options.image_size, options.image_size, image_channels]))

    @property
    def down_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block; the first block includes the first convolution."""
        first, *others = self.blocks
        return [[self.first, first], *([block] for block in others)]

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Maps images, float32 [B, S, S, C] in [-1, 1], to features [B, 4, 4, D]."""
        features = self.first(tf.cast(images, self.compute_dtype))
        for block in self.blocks:
            features = block(features)
        return features
