"""Layers that several systems share; images are [B, H, W, C], `dtype` is a Keras policy."""

from typing import TypeAlias

import tensorflow as tf
import tf_keras as keras

DType: TypeAlias = keras.mixed_precision.Policy | str
LEAKY_SLOPE = 0.2


def leaky_relu(features: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU of slope 0.2."""
    return tf.nn.leaky_relu(features, LEAKY_SLOPE)


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
