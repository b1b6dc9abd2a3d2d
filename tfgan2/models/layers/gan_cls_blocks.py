"""Blocks of GAN-CLS and StackGAN: normalized convolutions and residual blocks.

Kernels start from a normal distribution with mean 0 and deviation 0.02, scales of batch
normalizations with mean 1 and the same deviation, as in all published codes of both systems.
Features are [B, H, W, C], `dtype` is a dtype policy.
"""

import functools
from collections.abc import Callable, Iterable
from typing import TypeAlias

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import (
    FIRST_SIDE_PX,
    DType,
    convolution,
    dense,
    doubling_convolution,
    leaky_relu,
    tile,
)

Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor]

RESIDUAL_SIDES = 2
STDDEV = 0.02
MOMENTUM, EPSILON = 0.9, 1e-5


def channels_by_halving(base: int, image_size: int) -> list[int]:
    """Channels at sides of `image_size` / 2, / 4, ... down to 4 px: `base`, 2 * `base`, ..."""
    halvings = (image_size // FIRST_SIDE_PX).bit_length() - 1
    return [base * 2**number for number in range(halvings)]


normal = functools.partial(keras.initializers.RandomNormal, stddev=STDDEV)
# Layers with the normal kernel initializer. `doubling`: 2x upsampling, then a 3x3 convolution;
# `transposed_doubling`: a 4x4 transposed convolution with stride 2.
normal_dense = functools.partial(dense, initializer=normal)
normal_convolution = functools.partial(convolution, initializer=normal, use_bias=False)
doubling = functools.partial(doubling_convolution, initializer=normal, use_bias=False)
transposed_doubling = functools.partial(
    normal_convolution, size=4, stride=2, layer=keras.layers.Conv2DTranspose
)


def batch_normalization(*, dtype: DType) -> keras.layers.BatchNormalization:
    """Batch normalization over the global batch."""
    return keras.layers.BatchNormalization(
        momentum=MOMENTUM,
        epsilon=EPSILON,
        gamma_initializer=keras.initializers.RandomNormal(1.0, STDDEV),
        synchronized=True,
        dtype=dtype,
    )


class Normalized(keras.layers.Layer):
    """A layer, then batch normalization, then an activation.

    Args:
      layer: layer, usually a convolution.
      activation: activation; `tf.identity`: none.
      batch_norm: whether to use batch normalization.
      dtype: dtype policy of the normalization.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        activation: Activation,
        batch_norm: bool = True,
        dtype: DType,
    ) -> None:
        super().__init__(dtype=dtype)
        self.layer = layer
        self.activation = activation
        self.normalization = batch_normalization(dtype=dtype) if batch_norm else None

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Applies layer, normalization and activation."""
        features = self.layer(features)
        if self.normalization is not None:
            features = self.normalization(features, training=training)
        return self.activation(features)


class Residual(keras.layers.Layer):
    """A residual block: an identity shortcut plus normalized convolutions.

    Args:
      channels: channels of input and output; a multiple of 4 for a bottleneck.
      bottleneck: whether to use 1x1 and 3x3 convolutions to a quarter of the channels, then 3x3 to
        all channels; otherwise two 3x3 convolutions.
      activation: activation after all normalizations but the last, and after the sum.
      batch_norm: whether to use batch normalization.
      dtype: dtype policy of the layers.
    """

    def __init__(
        self,
        channels: int,
        *,
        bottleneck: bool,
        activation: Activation,
        batch_norm: bool = True,
        dtype: DType,
    ) -> None:
        super().__init__(dtype=dtype)
        few = channels // 4
        shapes = [(few, 1), (few, 3)] if bottleneck else [(channels, 3)]
        self.activation = activation
        self.convolutions = [
            Normalized(
                normal_convolution(width, size, dtype=dtype),
                activation=activation,
                batch_norm=batch_norm,
                dtype=dtype,
            )
            for width, size in shapes
        ]
        self.last = Normalized(
            normal_convolution(channels, 3, dtype=dtype),
            activation=tf.identity,
            batch_norm=batch_norm,
            dtype=dtype,
        )

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Transforms features [B, H, W, channels]."""
        residual = features
        for conv in self.convolutions:
            residual = conv(residual, training=training)
        return self.activation(features + self.last(residual, training=training))


class Start(keras.layers.Layer):
    """Maps a vector to normalized feature maps of 4 px.

    Args:
      channels: channels of the feature maps.
      by_channel: whether all positions of a channel share one normalization, as after the published
        transposed convolution of a single pixel, which equals this dense layer; otherwise every
        unit has its own.
      use_bias: whether the dense layer has a bias.
      activation: activation after the normalization.
      dtype: dtype policy of the layers.
    """

    def __init__(
        self,
        channels: int,
        *,
        by_channel: bool,
        use_bias: bool = False,
        activation: Activation = tf.identity,
        dtype: DType,
    ) -> None:
        super().__init__(dtype=dtype)
        self.shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels)
        self.by_channel = by_channel
        self.activation = activation
        self.dense = normal_dense(FIRST_SIDE_PX**2 * channels, use_bias=use_bias, dtype=dtype)
        self.normalization = batch_normalization(dtype=dtype)

    def call(self, vector: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, D] to [B, 4, 4, channels]."""
        features = self.dense(vector)
        if self.by_channel:
            features = tf.reshape(features, [-1, *self.shape])
        features = self.activation(self.normalization(features, training=training))
        return tf.reshape(features, [-1, *self.shape])


def up_blocks(
    channels: Iterable[int],
    *,
    double: Callable[[int], keras.layers.Layer],
    residual: Callable[[int], keras.layers.Layer],
    dtype: DType,
) -> list[keras.layers.Layer]:
    """Builds the layers from 4 px to half of the image side.

    Args:
      channels: channels at 4 px, 8 px, ...
      double: builds a 2x upsampling layer with the given output channels.
      residual: builds a residual block with the given channels, for 4 px and for 8 px.
      dtype: dtype policy of the normalizations.
    """
    blocks = []
    for number, width in enumerate(channels):
        early = number < RESIDUAL_SIDES
        if number:
            # The next residual block has its activation after the sum.
            activation = tf.identity if early else tf.nn.relu
            blocks.append(Normalized(double(width), activation=activation, dtype=dtype))
        if early:
            blocks.append(residual(width))
    return blocks


def down_blocks(
    channels: Iterable[int],
    *,
    narrowed: Iterable[int] = (),
    narrowing_size: int = 1,
    linear_end: int,
    first_bias: bool = False,
    batch_norm: bool,
    dtype: DType,
) -> list[keras.layers.Layer]:
    """Builds 4x4 convolutions with stride 2, down to 4 px, with leaky ReLUs.

    Args:
      channels: channels of the convolutions.
      narrowed: channels of further convolutions with stride 1.
      narrowing_size: side of the kernels of these further convolutions.
      linear_end: number of last convolutions without activation; the first convolution always has
        an activation.
      first_bias: whether the first convolution has a bias.
      batch_norm: whether to normalize after all convolutions but the first.
      dtype: dtype policy of the layers.
    """
    convolutions = [
        normal_convolution(width, 4, stride=2, use_bias=first_bias and number == 0, dtype=dtype)
        for number, width in enumerate(channels)
    ]
    convolutions += [normal_convolution(width, narrowing_size, dtype=dtype) for width in narrowed]
    return [
        Normalized(
            conv,
            activation=leaky_relu
            if number == 0 or number < len(convolutions) - linear_end
            else tf.identity,
            batch_norm=batch_norm and number > 0,
            dtype=dtype,
        )
        for number, conv in enumerate(convolutions)
    ]


class JointLogit(keras.layers.Layer):
    """Concatenates the text code at every position, then a convolution and one logit.

    Args:
      feature_shape: height, width and channels of the features; height equals width.
      size: side of the convolution's kernel.
      logit_bias: whether the logit has a bias.
      batch_norm: whether to normalize after the convolution.
      dtype: dtype policy of the layers.
    """

    def __init__(
        self,
        feature_shape: tuple[int, int, int],
        *,
        size: int,
        logit_bias: bool,
        batch_norm: bool,
        dtype: DType,
    ) -> None:
        super().__init__(dtype=dtype)
        side, _, channels = feature_shape
        self.joint = Normalized(
            normal_convolution(channels, size, dtype=dtype),
            activation=leaky_relu,
            batch_norm=batch_norm,
            dtype=dtype,
        )
        self.logit = normal_convolution(1, side, padding="valid", use_bias=logit_bias, dtype=dtype)

    def call(
        self, features: tf.Tensor, text: tf.Tensor | None, training: bool | None = None
    ) -> tf.Tensor:
        """Logits, float32 [B], of features [B, H, W, D] and text codes [B, T] (None: no text)."""
        if text is not None:
            features = tf.concat([features, tile(text, features)], axis=-1)
        logit = self.logit(self.joint(features, training=training))
        return tf.cast(tf.reshape(logit, [-1]), tf.float32)
