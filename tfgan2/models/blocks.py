"""Layers that several systems share; images are [B, H, W, C], `dtype` is a Keras policy."""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf
import tf_keras as keras

DType: TypeAlias = keras.mixed_precision.Policy | str
LEAKY_SLOPE = 0.2


def leaky_relu(features: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU of slope 0.2."""
    if features.dtype == tf.bfloat16:
        return _leaky_relu_of_bfloat16(features)
    return tf.nn.leaky_relu(features, LEAKY_SLOPE)


@tf.custom_gradient
def _leaky_relu_of_bfloat16(
    features: tf.Tensor,
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """On CPUs TensorFlow's own gradient takes ten times as long in bfloat16 as in float32."""
    slope = tf.cast(LEAKY_SLOPE, features.dtype)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return upstream * tf.stop_gradient(tf.maximum(tf.sign(features), slope))

    return tf.nn.leaky_relu(features, LEAKY_SLOPE), gradient


def uniform_fan_in() -> keras.initializers.Initializer:
    """Uniform in +-1/sqrt(fan-in), PyTorch's default, from which the published weights started."""
    return keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform")


def convolution(
    channels: int, size: int, *, dtype: DType, stride: int = 1, use_bias: bool = True
) -> keras.layers.Conv2D:
    """A `same` convolution whose weights start as in PyTorch."""
    return keras.layers.Conv2D(
        channels,
        size,
        strides=stride,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=uniform_fan_in(),
        dtype=dtype,
    )


class DoublingConvolution(keras.layers.Conv2D):
    """A 3x3 `same` convolution of what comes in, doubled in height and width by repetition.

    Each pixel of four that repeat one another meets several weights, whose sum it is multiplied by
    here: a transposed convolution with 4 products where the plain one has 9.
    """

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Turns [B, H, W, D] into [B, 2H, 2W, channels]; the bias is added by the caller."""
        above, middle, below = tf.unstack(tf.transpose(kernel, [0, 1, 3, 2]))
        rows = tf.stack([below, middle + below, above + middle, above])
        left, middle, right = tf.unstack(rows, axis=1)
        summed = tf.stack([right, middle + right, left + middle, left], axis=1)
        shape = tf.shape(inputs)[0], *self.compute_output_shape(inputs.shape)[1:]
        return tf.nn.conv2d_transpose(inputs, summed, shape, strides=2)

    def compute_output_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        """Shape of what goes out."""
        batch, height, width, _ = input_shape
        return tf.TensorShape([batch, 2 * height, 2 * width, self.filters])


def doubling_convolution(
    channels: int, *, dtype: DType, use_bias: bool = True
) -> DoublingConvolution:
    """A convolution behind a doubling whose weights start as in PyTorch."""
    return DoublingConvolution(
        channels,
        3,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=uniform_fan_in(),
        dtype=dtype,
    )


def dense(
    units: int, *, dtype: DType, activation: str | None = None, use_bias: bool = True
) -> keras.layers.Dense:
    """A dense layer whose weights start as in PyTorch."""
    return keras.layers.Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=uniform_fan_in(),
        dtype=dtype,
    )


def upsample(features: tf.Tensor) -> tf.Tensor:
    """Doubles height and width by repetition, with ops that XLA can differentiate on a CPU."""
    _, height, width, channels = features.shape
    spread = features[:, :, tf.newaxis, :, tf.newaxis, :]
    batch = tf.shape(features)[0]
    spread = tf.broadcast_to(spread, [batch, height, 2, width, 2, channels])
    return tf.reshape(spread, [batch, 2 * height, 2 * width, channels])


def tile(vectors: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Repeats vectors [B, D] over the places of feature maps [B, H, W, C]: [B, H, W, D]."""
    shape = [tf.shape(like)[0], like.shape[1], like.shape[2], vectors.shape[1]]
    return tf.broadcast_to(vectors[:, tf.newaxis, tf.newaxis, :], shape)


def parameter_count(*networks: keras.Model) -> int:
    """Number of parameters of networks, trained or not."""
    return sum(network.count_params() for network in networks)
