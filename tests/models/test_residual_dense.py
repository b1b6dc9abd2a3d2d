"""IMAGAN's generator: its sizes, normalizations, and the inputs that images depend on."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import checks
from tests.models.checks import normals
from tfgan2.models.df_gan.options import DFGANOptions
from tfgan2.models.df_gan.residual_dense import ResidualDenseGenerator

BLOCKS = ["imagan", "rdn"]


def published(image_size: int, block: str) -> ResidualDenseGenerator:
    options = DFGANOptions(image_size=image_size, generator_form=block, faithful=True)
    return ResidualDenseGenerator(options, image_channels=3)


def tiny(
    *, image_size: int = 32, block: str = "imagan", dtype: str = "float32"
) -> ResidualDenseGenerator:
    keras.utils.set_random_seed(0)
    options = DFGANOptions(
        image_size=image_size,
        latent_size=4,
        sentence_size=3,
        generator_channels=2,
        generator_form=block,
    )
    return ResidualDenseGenerator(options, image_channels=1, dtype=dtype)


def learned_parameters(network: keras.Model) -> int:
    # PyTorch counts no moving averages.
    return sum(variable.shape.num_elements() for variable in network.trainable_variables)


@pytest.mark.parametrize(
    ("image_size", "block", "count"),
    [
        (256, "imagan", 17_041_190),  # The published count.
        (32, "rdn", 13_579_011),
    ],
)
def test_parameter_counts_are_the_stated_ones(image_size: int, block: str, count: int) -> None:
    assert learned_parameters(published(image_size, block)) == count


@pytest.mark.parametrize(("image_size", "block"), [(32, "imagan"), (256, "rdn")])
def test_images_have_their_size_and_range(image_size: int, block: str) -> None:
    images = tiny(image_size=image_size, block=block)(tf.ones([2, 4]), tf.ones([2, 3]))
    assert images.shape == (2, image_size, image_size, 1)
    assert np.abs(images).max() <= 1


@pytest.mark.parametrize("block", BLOCKS)
def test_images_depend_on_latent_and_sentence(block: str) -> None:
    checks.images_depend_on_latent_and_sentence(tiny(block=block), least=0.1)


@pytest.mark.parametrize("block", BLOCKS)
def test_sampled_row_does_not_depend_on_its_batch(block: str) -> None:
    inputs = normals(4, 4), normals(4, 3)
    images = checks.samples_do_not_depend_on_their_batch(tiny(block=block), *inputs)
    assert np.abs(images[0] - images[1]).max() > 1e-3


def test_moving_statistics_change_only_in_training() -> None:
    generator = tiny()
    start = [average.numpy() for average in generator.non_trainable_variables]

    def changed() -> list[bool]:
        now = generator.non_trainable_variables
        return [not np.array_equal(one, other) for one, other in zip(now, start, strict=True)]

    generator(tf.ones([2, 4]), tf.ones([2, 3]))
    assert not any(changed())
    generator(tf.ones([2, 4]), tf.ones([2, 3]), training=True)
    assert all(changed())


def epsilons(layers: tf.Module) -> set[float]:
    return {
        layer.epsilon
        for layer in layers.submodules
        if isinstance(layer, keras.layers.BatchNormalization)
    }


def test_only_the_block_after_the_code_has_batch_normalization() -> None:
    assert epsilons(tiny(block="imagan").dense_block) == {1e-5}
    assert epsilons(tiny(block="rdn").dense_block) == set()


def test_epsilon_reaches_every_batch_normalization() -> None:
    assert epsilons(published(32, "imagan")) == {0.8}


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_images_are_float32_in_every_precision(dtype: str) -> None:
    images = tiny(dtype=dtype)(tf.ones([2, 4]), tf.ones([2, 3]), training=True)
    assert images.dtype == tf.float32
    assert np.isfinite(images).all()


def test_unknown_block_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="block: must be 'imagan' or 'rdn', got 'unet'"):
        tiny(block="unet")
