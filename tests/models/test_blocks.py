"""Layers that several systems share."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import (
    DoublingConvolution,
    doubling_convolution,
    leaky_relu,
    upsample,
)


def plain(layer: DoublingConvolution, features: tf.Tensor) -> tf.Tensor:
    """The reference computation: pixel repetition, then a convolution."""
    convolved = tf.nn.conv2d(upsample(features), layer.kernel, 1, "SAME")
    return convolved + layer.bias if layer.use_bias else convolved


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 4, 5, 2), (2, 3, 1, 8)])
def test_upsampling_convolution_equals_repetition_and_convolution(
    shape: tuple[int, ...], use_bias: bool
) -> None:
    layer = doubling_convolution(7, use_bias=use_bias, dtype="float32")
    features = tf.random.stateless_normal(shape, seed=[1, 2])
    layer(features)
    layer.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in layer.weights])
    np.testing.assert_allclose(layer(features), plain(layer, features), atol=1e-4)


def test_upsampling_convolution_has_the_gradients_of_the_reference() -> None:
    layer = doubling_convolution(3, dtype="float32")
    features = tf.random.stateless_normal([2, 4, 4, 5], seed=[1, 2])
    layer(features)
    taken = []
    for call in (layer, lambda features: plain(layer, features)):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_sum(tf.sin(call(features)))
        taken.append(tape.gradient(loss, [features, *layer.trainable_variables]))
    for its, expected in zip(*taken, strict=True):
        np.testing.assert_allclose(its, expected, rtol=1e-3, atol=1e-4)


def test_upsampling_convolution_accepts_any_batch_size_in_a_graph() -> None:
    layer = doubling_convolution(3, dtype="mixed_bfloat16")
    inputs = keras.Input([4, 4, 2])
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 8, 8, 3)
    assert model(tf.zeros([5, 4, 4, 2])).shape == (5, 8, 8, 3)


def test_leaky_relu_gradient_is_exact_in_bfloat16() -> None:
    features = tf.constant([-3.0, -1e-30, 0.0, 1e-30, 0.5, 7.0], tf.bfloat16)
    upstream = tf.cast(tf.random.stateless_normal(features.shape, seed=[1, 2]), tf.bfloat16)
    taken = []
    for call in (leaky_relu, lambda features: tf.nn.leaky_relu(features, 0.2)):
        with tf.GradientTape() as outer:
            outer.watch(features)
            with tf.GradientTape() as inner:
                inner.watch(features)
                out = call(features)
            (first,) = inner.gradient(out, [features], output_gradients=[upstream * features])
        taken.append((out, first, outer.gradient(first, features)))
    for its, expected in zip(*taken, strict=True):
        np.testing.assert_array_equal(tf.cast(its, tf.float32), tf.cast(expected, tf.float32))
