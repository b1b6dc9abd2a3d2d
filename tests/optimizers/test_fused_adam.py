"""The fused Adam kernel equals Keras's Adam."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.optimizers.fused_adam import FusedAdam, PyTorchAdam

STEPS = 7


def weights_after_steps(
    kind: type[keras.optimizers.Adam], gradients: list[tf.Tensor], **settings: float | bool
) -> list[np.ndarray]:
    rate = keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.5)
    optimizer = kind(rate, beta_2=0.9, epsilon=1e-8, **settings)
    variable = tf.Variable(tf.ones([5, 3]))
    for gradient in gradients:
        optimizer.apply_gradients([(gradient, variable)])
    return [value.numpy() for value in (variable, *optimizer.variables)]


@pytest.mark.parametrize(
    "settings",
    [{"beta_1": 0.0}, {"beta_1": 0.9}, {"beta_1": 0.9, "amsgrad": True}, {"clipnorm": 0.1}],
    ids=str,
)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_fused_adam_updates_variable_and_state_as_keras(
    settings: dict[str, float], sparse: bool
) -> None:
    random = np.random.default_rng(0)
    gradients = [tf.constant(random.normal(size=[5, 3]), tf.float32) for _ in range(STEPS)]
    if sparse:
        rows = tf.constant([4, 1])
        gradients = [tf.IndexedSlices(it[:2], rows, tf.constant([5, 3])) for it in gradients]
    its = weights_after_steps(FusedAdam, gradients, **settings)
    expected = weights_after_steps(keras.optimizers.Adam, gradients, **settings)
    assert not np.allclose(its[0], 1.0, atol=1e-3)
    for one, other in zip(its, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_pytorch_adam_adds_epsilon_after_the_bias_correction(sparse: bool) -> None:
    rate, beta1, beta2, epsilon = 1e-2, 0.5, 0.9, 1e-8
    random = np.random.default_rng(0)
    # Gradients of the size of epsilon, where its place matters.
    gradients = random.normal(scale=epsilon, size=[STEPS, 5, 3]).astype(np.float32)
    optimizer = PyTorchAdam(rate, beta_1=beta1, beta_2=beta2, epsilon=epsilon)
    keras_adam = FusedAdam(rate, beta_1=beta1, beta_2=beta2, epsilon=epsilon)
    variable, other = tf.Variable(tf.ones([5, 3])), tf.Variable(tf.ones([5, 3]))
    expected, first, second = np.ones([5, 3]), np.zeros([5, 3]), np.zeros([5, 3])
    for step, gradient in enumerate(gradients, start=1):
        rows = tf.IndexedSlices(gradient, tf.range(5), tf.constant([5, 3]))
        optimizer.apply_gradients([(rows if sparse else tf.constant(gradient), variable)])
        keras_adam.apply_gradients([(tf.constant(gradient), other)])
        # Kingma and Ba 2015, algorithm 1.
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient.astype(np.float64) ** 2
        root = np.sqrt(second / (1 - beta2**step))
        expected -= rate * first / (1 - beta1**step) / (root + epsilon)
        np.testing.assert_allclose(variable, expected, rtol=0, atol=1e-6)
        assert np.abs(other - expected).max() > 1e-4
