"""Spectral normalization: the singular value, its power iteration, and its precision."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.spectral import SpectralConvolution, SpectralDense, SpectralLayer, normalize

Layer = SpectralConvolution | SpectralDense
SHAPES = {"convolution": (2, 6, 6, 3), "dense": (2, 7)}


def make(kind: str, *, dtype: str = "float32", use_bias: bool = True) -> Layer:
    """A built layer of 5 channels whose singular values differ, unlike after initialization."""
    keras.utils.set_random_seed(1)
    layer: Layer
    if kind == "dense":
        layer = SpectralDense(5, dtype=dtype, use_bias=use_bias)
    else:
        layer = SpectralConvolution(5, 3, padding="same", dtype=dtype, use_bias=use_bias)
    layer(tf.zeros(SHAPES[kind]))
    values = np.random.default_rng(2).normal(scale=2.0, size=layer.kernel.shape)
    layer.kernel.assign(values)
    return layer


def some_inputs(kind: str) -> tf.Tensor:
    return tf.constant(np.random.default_rng(3).normal(size=SHAPES[kind]), tf.float32)


def applied(kind: str, inputs: tf.Tensor, kernel: np.ndarray) -> tf.Tensor:
    if kind == "dense":
        return inputs @ kernel
    return tf.nn.conv2d(inputs, kernel, 1, "SAME")


def largest_singular_value(kernel: tf.Variable) -> float:
    return np.linalg.svd(kernel.numpy().reshape(-1, 5), compute_uv=False)[0]


def normalized_layers(network: keras.Model) -> list[SpectralLayer]:
    return [layer for layer in network.submodules if isinstance(layer, SpectralLayer)]


@pytest.mark.parametrize("kind", SHAPES)
def test_the_kernel_is_divided_by_its_largest_singular_value(kind: str) -> None:
    layer, inputs = make(kind), some_inputs(kind)
    layer.bias.assign(tf.range(5.0))
    for _ in range(100):
        layer(inputs, training=True)
    kernel = layer.kernel.numpy()
    largest = largest_singular_value(layer.kernel)
    assert largest > 4.0
    expected = applied(kind, inputs, kernel / largest) + np.arange(5.0)
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-4, atol=1e-5)


def test_training_call_runs_one_power_iteration() -> None:
    layer, inputs = make("dense", use_bias=False), some_inputs("dense")
    matrix, direction = layer.kernel.numpy(), layer.direction.numpy()
    left = matrix @ direction / np.linalg.norm(matrix @ direction)
    right = left @ matrix / np.linalg.norm(left @ matrix)
    outputs = layer(inputs, training=True)
    np.testing.assert_allclose(outputs, inputs @ matrix / (left @ matrix @ right), rtol=1e-4)
    np.testing.assert_allclose(layer.direction, right, rtol=1e-4)


@pytest.mark.parametrize("kind", SHAPES)
def test_direction_changes_only_in_training(kind: str) -> None:
    layer, inputs = make(kind), some_inputs(kind)
    (direction,) = layer.statistics
    assert "moving_" in direction.name
    assert direction.dtype == tf.float32
    before, kernel = direction.numpy(), layer.kernel.numpy()
    still = layer(inputs, training=False)
    np.testing.assert_array_equal(layer(inputs), still)
    np.testing.assert_array_equal(direction, before)
    layer(inputs, training=True)
    assert not np.allclose(direction, before)
    np.testing.assert_array_equal(layer.kernel, kernel)
    assert [id(variable) for variable in layer.non_trainable_variables] == [id(direction)]


def test_the_gradient_passes_through_the_division_but_not_the_iteration() -> None:
    layer = make("dense", use_bias=False)
    matrix, direction = layer.kernel.numpy(), layer.direction.numpy()
    left = matrix @ direction / np.linalg.norm(matrix @ direction)
    right = left @ matrix / np.linalg.norm(left @ matrix)
    largest = left @ matrix @ right
    slopes = np.random.default_rng(4).normal(size=matrix.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(slopes * layer(tf.eye(7), training=True))
    # The gradient of sum(slopes * matrix) / (left^T matrix right), with both vectors fixed.
    through = (slopes * matrix).sum() / largest**2 * np.outer(left, right)
    expected = slopes / largest - through
    np.testing.assert_allclose(tape.gradient(loss, layer.kernel), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_rounds_after_the_division(kind: str, dtype: str) -> None:
    layer, inputs = make(kind, dtype=f"mixed_{dtype}"), some_inputs(kind)
    exact = make(kind)
    for kernel in (layer.kernel, exact.kernel):
        kernel.assign(kernel * 1e5)  # Beyond the range of float16.
    outputs = layer(inputs, training=True)
    expected = exact(inputs, training=True)
    assert outputs.dtype == dtype
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.05)
    np.testing.assert_array_equal(layer.direction, exact.direction)
    assert {variable.dtype for variable in layer.variables} == {tf.float32}


def test_initial_kernels_are_orthogonal_and_differ_between_layers() -> None:
    first, second = (SpectralDense(5, dtype="float32") for _ in range(2))
    inputs = tf.zeros([1, 7])
    kernels = []
    for layer in (first, second):
        layer(inputs)
        kernels.append(layer.kernel.numpy())
        np.testing.assert_allclose(kernels[-1].T @ kernels[-1], np.eye(5), atol=1e-5)
    assert not np.allclose(*kernels)


def test_replicas_update_the_direction_as_one_device() -> None:
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    alone = make("dense")
    with strategy.scope():
        layer = make("dense")
        layer.set_weights(alone.get_weights())

    @tf.function
    def step(inputs: tf.Tensor) -> tf.Tensor:
        (statistic,) = layer.statistics
        before = tf.identity(statistic)
        layer(inputs, training=True)
        kept = layer(inputs, training=True)
        layer(inputs, training=True)
        statistic.assign(tf.where(True, statistic, before))
        return kept

    inputs = some_inputs("dense")
    strategy.run(step, args=(inputs,))
    for _ in range(3):
        alone(inputs, training=True)
    for direction in strategy.experimental_local_results(layer.direction):
        np.testing.assert_allclose(direction, alone.direction, rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[-1], alone.direction, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_keras_layers_are_normalized_in_place(dtype: str) -> None:
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(5, 4, strides=2, padding="valid", activation="relu", dtype=dtype),
        keras.layers.Flatten(dtype=dtype),
        keras.layers.Dense(4, use_bias=False, dtype=dtype),
    ]
    network = keras.Sequential(layers)
    inputs = tf.constant(np.random.default_rng(3).normal(size=[2, 6, 6, 3]), tf.float32)
    network(inputs)
    for layer in (layers[0], layers[2]):
        values = np.random.default_rng(2).normal(scale=2.0, size=layer.kernel.shape)
        layer.kernel.assign(values)
    layers[0].bias.assign(tf.range(5.0))
    trained = len(network.trainable_variables)
    normalize(network)
    assert set(normalized_layers(network)) == {layers[0], layers[2]}
    assert len(network.trainable_variables) == trained
    assert [it.name for it in network.non_trainable_variables] == ["moving_direction:0"] * 2
    for layer in normalized_layers(network):
        iterate = tf.function(layer.iterate)
        for _ in range(1000):
            iterate()

    def divided(kernel: tf.Variable) -> np.ndarray:
        matrix = kernel.numpy().reshape(-1, kernel.shape[-1])
        return kernel.numpy() / np.linalg.svd(matrix, compute_uv=False)[0]

    features = tf.nn.conv2d(inputs, divided(layers[0].kernel), 2, "VALID") + tf.range(5.0)
    features = tf.reshape(tf.nn.relu(features), [2, -1])
    expected = features @ divided(layers[2].kernel)
    near = 1e-4 if dtype == "float32" else 0.05
    np.testing.assert_allclose(tf.cast(network(inputs), tf.float32), expected, atol=near)


def test_gradient_of_a_keras_layer_passes_through_the_division() -> None:
    layer = keras.layers.Dense(4, use_bias=False)
    inputs = some_inputs("dense")
    layer(inputs)
    network = keras.Sequential([layer])
    normalize(network)
    for _ in range(50):
        layer.iterate()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(inputs))
    # A normalized kernel has no gradient along itself.
    slope = tf.reduce_sum(tape.gradient(total, layer.kernel) * layer.kernel)
    assert abs(float(slope)) < 1e-3
