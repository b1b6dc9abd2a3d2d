"""Random inputs, hand-computed parameter counts, and gradients of networks."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras


def images(rows: int, image_size: int) -> tf.Tensor:
    return tf.random.stateless_uniform([rows, image_size, image_size, 1], [0, 1], -1.0, 1.0)


def normals(rows: int, size: int, seed: int = 0) -> tf.Tensor:
    return tf.random.stateless_normal([rows, size], [seed, size])


def normalization(channels: int) -> int:
    # Scale, offset, and the moving mean and variance.
    return 4 * channels


def bottleneck(channels: int) -> int:
    few = channels // 4
    weights = channels * few + 9 * few * few + 9 * few * channels
    return weights + normalization(few) + normalization(few) + normalization(channels)


def linear_ends(features: keras.Model) -> int:
    return sum(block.activation is tf.identity for block in features.blocks)


def gradients_reach_every_variable(
    networks: Sequence[keras.Model], loss: Callable[[], tf.Tensor]
) -> None:
    variables = [variable for network in networks for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        value = loss()
    for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True):
        assert np.isfinite(gradient).all(), variable.name
        assert np.any(gradient), variable.name


def samples_do_not_depend_on_their_batch(
    generator: keras.Model, latent: tf.Tensor, sentence: tf.Tensor
) -> tf.Tensor:
    """Compares a row alone with the row in its batch, and returns the images of the batch."""
    together = generator(latent, sentence)
    alone = generator(latent[1:2], sentence[1:2])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)
    assert np.abs(together - generator(latent, sentence, training=True)).max() > 1e-3
    return together


def images_depend_on_latent_and_sentence(generator: keras.Model, *, least: float) -> None:
    same, opposite = tf.constant([[1.0], [1.0]]), tf.constant([[1.0], [-1.0]])
    for latent, sentence in ((opposite, same), (same, opposite)):
        drawn = generator(tf.tile(latent, [1, 4]), tf.tile(sentence, [1, 3]), training=True)
        assert np.abs(drawn[0] - drawn[1]).max() > least


def logits_do_not_depend_on_their_batch(
    features: keras.Model, head: keras.Model, image: tf.Tensor, sentence: tf.Tensor
) -> None:
    assert not any(network.non_trainable_variables for network in (features, head))
    together = head(features(image, training=True), sentence, training=True)
    alone = head(features(image[1:2], training=True), sentence[1:2], training=True)
    np.testing.assert_allclose(np.ravel(alone), np.reshape(together, [-1])[1:2], rtol=1e-4)


def parameter_count(*networks: keras.Model) -> int:
    """Number of parameters of networks, trainable or not."""
    return sum(network.count_params() for network in networks)
