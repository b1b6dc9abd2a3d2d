"""Layers that several systems share; features are [B, H, W, C], `dtype` is a dtype policy."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf
import tf_keras as keras

DType: TypeAlias = keras.mixed_precision.Policy | str
# Function that returns a new initializer; an initializer of two layers gives both the same kernel.
MakeInitializer: TypeAlias = Callable[[], keras.initializers.Initializer]
LEAKY_SLOPE = 0.2
FIRST_SIDE_PX = 4


def channels_by_block(base: int, side_px: int, *, widest: int = 8) -> list[int]:
    """Channels at 4 px, 8 px, ... up to `side_px`, at most `widest` times `base` each."""
    blocks = (side_px // FIRST_SIDE_PX).bit_length() - 1
    return [base * min(2**exponent, widest) for exponent in reversed(range(blocks + 1))]


def leaky_relu(features: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU with slope 0.2."""
    if features.dtype == tf.bfloat16:
        return _leaky_relu_of_bfloat16(features)
    return tf.nn.leaky_relu(features, LEAKY_SLOPE)


@tf.custom_gradient
def _leaky_relu_of_bfloat16(
    features: tf.Tensor,
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Leaky ReLU with a fast gradient: on CPUs TensorFlow's is ten times slower in bfloat16."""
    slope = tf.cast(LEAKY_SLOPE, features.dtype)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return upstream * tf.stop_gradient(tf.maximum(tf.sign(features), slope))

    return tf.nn.leaky_relu(features, LEAKY_SLOPE), gradient


def uniform_fan_in() -> keras.initializers.Initializer:
    """Uniform in +-1/sqrt(fan-in): PyTorch's default, which the published codes use."""
    return keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform")


def convolution(
    channels: int,
    size: int,
    *,
    dtype: DType,
    stride: int = 1,
    padding: str = "same",
    use_bias: bool = True,
    initializer: MakeInitializer = uniform_fan_in,
    layer: type[keras.layers.Conv2D] = keras.layers.Conv2D,
) -> keras.layers.Conv2D:
    """A convolution of a class, by default with PyTorch's kernel initializer."""
    return layer(
        channels,
        size,
        strides=stride,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=initializer(),
        dtype=dtype,
    )


class DoublingConvolution(keras.layers.Conv2D):
    """2x nearest upsampling and a 3x3 convolution with `same` padding, fused into one layer.

    The layer runs as a 4x4 stride-2 transposed convolution: weights that multiply copies of one
    pixel are summed first, so an output needs 4 products instead of 9.
    """

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Maps [B, H, W, D] to [B, 2H, 2W, channels]; the caller adds the bias."""
        above, middle, below = tf.unstack(tf.transpose(kernel, [0, 1, 3, 2]))
        rows = tf.stack([below, middle + below, above + middle, above])
        left, middle, right = tf.unstack(rows, axis=1)
        summed = tf.stack([right, middle + right, left + middle, left], axis=1)
        shape = tf.shape(inputs)[0], *self.compute_output_shape(inputs.shape)[1:]
        return tf.nn.conv2d_transpose(inputs, summed, shape, strides=2)

    def compute_output_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        """Shape of the output."""
        batch, height, width, _ = input_shape
        return tf.TensorShape([batch, 2 * height, 2 * width, self.filters])


# A fused 2x upsampling and 3x3 convolution; arguments as for `convolution`.
doubling_convolution = functools.partial(convolution, size=3, layer=DoublingConvolution)


def dense(
    units: int,
    *,
    dtype: DType,
    activation: str | None = None,
    use_bias: bool = True,
    initializer: MakeInitializer = uniform_fan_in,
) -> keras.layers.Dense:
    """A dense layer, by default with PyTorch's kernel initializer."""
    return keras.layers.Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=initializer(),
        dtype=dtype,
    )


def upsample(features: tf.Tensor) -> tf.Tensor:
    """2x nearest upsampling, with ops that XLA can differentiate on a CPU."""
    _, height, width, channels = features.shape
    copies = features[:, :, tf.newaxis, :, tf.newaxis, :]
    batch = tf.shape(features)[0]
    copies = tf.broadcast_to(copies, [batch, height, 2, width, 2, channels])
    return tf.reshape(copies, [batch, 2 * height, 2 * width, channels])


def tile(vectors: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Repeats vectors [B, D] at every position of feature maps [B, H, W, C]: [B, H, W, D]."""
    shape = [tf.shape(like)[0], like.shape[1], like.shape[2], vectors.shape[1]]
    return tf.broadcast_to(vectors[:, tf.newaxis, tf.newaxis, :], shape)
