"""Image encoders: regions and codes of every size, and the frozen weights of Inception-v3."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.models.matching.image_encoders import (
    CODE_LAYER,
    REGIONS_LAYER,
    InceptionImageEncoder,
    SmallImageEncoder,
)
from tfgan2.models.matching.options import MatchingOptions
from tfgan2.program import UsageError
from tfgan2.training import initialization

CODE_SIZE = 6


def pictures(count: int, size: int, channels: int) -> tf.Tensor:
    generator = np.random.default_rng(0)
    return tf.constant(generator.uniform(-1, 1, [count, size, size, channels]), tf.float32)


def small(image_size: int, image_channels: int) -> SmallImageEncoder:
    keras.utils.set_random_seed(0)
    options = MatchingOptions(
        image_size=image_size, image_encoder_channels=2, sentence_size=CODE_SIZE
    )
    return SmallImageEncoder(options, image_channels=image_channels)


@pytest.mark.parametrize(("image_size", "image_channels"), [(16, 1), (128, 3)])
def test_small_encoder_gives_64_regions_and_a_code_for_every_size(
    image_size: int, image_channels: int
) -> None:
    encoder = small(image_size, image_channels)
    regions, codes = encoder(pictures(2, image_size, image_channels))
    assert (regions.shape, codes.shape) == ((2, 64, CODE_SIZE), (2, CODE_SIZE))
    assert regions.dtype == codes.dtype == tf.float32
    assert np.isfinite(regions).all()
    assert np.isfinite(codes).all()


def test_small_encoder_orders_regions_by_rows_of_an_8x8_grid() -> None:
    encoder, images = small(64, 1), pictures(1, 64, 1)
    changed = images.numpy()
    changed[0, 20, 44] += 1.0  # Row 2 and column 5 of the grid.
    (before, _), (after, _) = encoder(images), encoder(changed)
    differences = np.abs(after - before).max(axis=2).reshape(8, 8)
    rows, columns = np.nonzero(differences > 1e-6)
    assert differences[2, 5] > 1e-6
    assert np.abs(rows - 2).max() <= 2
    assert np.abs(columns - 5).max() <= 2


def test_small_encoder_depends_on_other_rows_only_in_training() -> None:
    encoder, images = small(16, 1), pictures(4, 16, 1)
    for ours, theirs in zip(encoder(images), encoder(images[:1]), strict=True):
        np.testing.assert_allclose(ours[:1], theirs, atol=1e-5)
    statistics = [value.numpy() for value in encoder.non_trainable_variables]
    for ours, theirs in zip(
        encoder(images, training=True), encoder(images[:1], training=True), strict=True
    ):
        assert np.abs(ours[:1] - theirs).max() > 1e-3
    moved = encoder.non_trainable_variables
    assert not any(map(np.array_equal, moved, statistics))


def test_small_encoder_doubles_its_channels_up_to_256() -> None:
    options = MatchingOptions(image_size=128, image_encoder_channels=32, sentence_size=8)
    encoder = SmallImageEncoder(options, image_channels=3)
    widths = [convolution.layers[0].filters for convolution in (*encoder.to_grid, *encoder.to_code)]
    assert widths == [32, 64, 128, 256, 256, 256, 256]


@pytest.fixture(scope="module")
def inception() -> InceptionImageEncoder:
    keras.utils.set_random_seed(0)
    return InceptionImageEncoder(code_size=CODE_SIZE)


def test_inception_regions_are_of_the_last_17x17_layer_and_grey_means_three_channels(
    inception: InceptionImageEncoder,
) -> None:
    grey = pictures(1, 64, 1)
    in_colour = inception(tf.tile(grey, [1, 1, 1, 3]))
    for ours, theirs in zip(inception(grey), in_colour, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    regions, codes = in_colour
    assert (regions.shape, codes.shape) == ((1, 289, CODE_SIZE), (1, CODE_SIZE))
    assert regions.dtype == codes.dtype == tf.float32
    features, whole = inception.inception.outputs
    assert (tuple(features.shape[3:]), tuple(whole.shape[3:])) == ((768,), (2048,))


def test_inception_is_frozen_and_the_layers_above_are_trained(
    inception: InceptionImageEncoder,
) -> None:
    learned = [tuple(variable.shape) for variable in inception.trainable_variables]
    assert learned == [(1, 1, 768, CODE_SIZE), (2048, CODE_SIZE), (CODE_SIZE,)]
    before = inception.inception.get_weights()
    with tf.GradientTape() as tape:
        regions, codes = inception(pictures(2, 64, 3), training=True)
        loss = tf.reduce_sum(regions**2) + tf.reduce_sum((codes - 1.0) ** 2)
    gradients = tape.gradient(loss, inception.trainable_variables)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply_gradients(zip(gradients, inception.trainable_variables, strict=True))
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    # Moving statistics are frozen too.
    assert all(map(np.array_equal, inception.inception.get_weights(), before))


def spread(weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A different weight for each layer, near its initial value so that features stay finite."""
    noise = generator.standard_normal(weight.shape, np.float32)
    return weight * (1 + 0.1 * noise) + 0.1 * np.abs(noise) * (weight.ndim == 1)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["h5", "weights.h5"])
def test_inception_computes_with_the_weights_of_a_file(
    inception: InceptionImageEncoder, tmp_path: pathlib.Path, ending: str
) -> None:
    source = keras.applications.InceptionV3(include_top=False, weights=None)
    generator = np.random.default_rng(0)
    source.set_weights([spread(weight, generator) for weight in source.get_weights()])
    file = tmp_path / f"inception.{ending}"
    source.save_weights(file)
    outputs = [source.get_layer(name).output for name in (REGIONS_LAYER, CODE_LAYER)]
    image = pictures(1, 299, 3)
    expected = keras.Model(source.input, outputs)(image)
    for ours, theirs in zip(inception.inception(image), expected, strict=True):
        assert np.abs(ours - theirs).max() > 1e-3
    inception.inception.set_weights(initialization.read_inception(str(file)))
    for ours, theirs in zip(inception.inception(image), expected, strict=True):
        assert float(tf.math.reduce_std(theirs)) > 1e-2
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert len(inception.trainable_variables) == 3


@pytest.mark.slow
def test_a_file_of_another_network_is_refused(tmp_path: pathlib.Path) -> None:
    other = keras.Sequential([keras.layers.Dense(2, input_shape=(2,))])
    other.save_weights(tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("not weights")
    for name in ("other.h5", "text.h5"):
        with pytest.raises(UsageError, match="--inception_weights: must be Inception-v3's"):
            initialization.read_inception(str(tmp_path / name))
