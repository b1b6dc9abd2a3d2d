"""The paired GAN: its sizes, its clipped pixels, and the scale of its sentence embeddings."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.models import systems
from tests.models.checks import parameter_count
from tests.tiny import TINY
from tfgan2.adversarial import losses
from tfgan2.models.paired_gan.networks import (
    Generator,
    ImageFeatures,
    StandardizedHead,
    clip_in_training,
)
from tfgan2.models.paired_gan.options import PairedGANOptions
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes


def test_pixels_are_clipped_and_gradients_only_pull_them_back() -> None:
    image = tf.constant([-3.0, -3.0, 0.5, 0.5, 3.0, 3.0])
    upstream = tf.constant([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(image)
        clipped = clip_in_training(image)
    assert clipped.numpy().tolist() == [-1.0, -1.0, 0.5, 0.5, 1.0, 1.0]
    gradient = tape.gradient(clipped, image, output_gradients=upstream)
    assert gradient.numpy().tolist() == [-1.0, 0.0, -1.0, 1.0, 0.0, 1.0]


def test_images_are_the_same_in_training_and_inference() -> None:
    generator = Generator(PairedGANOptions(image_size=32, generator_channels=2), image_channels=3)
    latent, sentence = 9.0 * tf.ones([1, 100]), tf.random.stateless_normal([1, 256], [1, 2])
    images = [generator(latent, sentence, training=it).numpy() for it in (False, True)]
    np.testing.assert_array_equal(*images)
    assert np.abs(images[0]).max() <= 1.0


def test_the_size_of_a_sentence_embedding_does_not_matter() -> None:
    options = PairedGANOptions(image_size=32, generator_channels=2, sentence_size=64)
    generator = Generator(options, image_channels=3)
    head = StandardizedHead(feature_shape=(4, 4, 2), sentence_size=64, base_channels=2)
    sentence = tf.random.stateless_normal([2, 64], [3, 4])
    for network, other in [(generator, tf.ones([2, 100])), (head, tf.ones([2, 4, 4, 2]))]:
        large, small, different = (
            network(other, it).numpy() for it in (sentence, 0.1 * sentence, sentence[::-1])
        )
        np.testing.assert_allclose(small, large, atol=1e-3)
        assert np.abs(different - large).max() > 1e-2


def test_the_sentence_sets_the_first_features() -> None:
    options = PairedGANOptions(image_size=32, generator_channels=2, sentence_size=64)
    generator = Generator(options, image_channels=3)
    for layer in [*(it for block in generator.blocks for it in block.modulations), generator.last]:
        layer.set_weights([np.zeros_like(it) for it in layer.get_weights()])
    one, other = (
        generator(tf.ones([1, 100]), tf.random.stateless_normal([1, 64], [seed, 0]))
        for seed in range(2)
    )
    assert np.abs(one - other).max() > 1e-2


def test_features_of_blocks_halve_the_size_down_to_4_px() -> None:
    options = PairedGANOptions(image_size=64, discriminator_channels=2)
    outputs = ImageFeatures(options, image_channels=3).block_outputs(tf.zeros([1, 64, 64, 3]))
    assert [it.shape[1:].as_list() for it in outputs] == [[16, 16, 4], [8, 8, 8], [4, 4, 16]]


def test_feature_matching_compares_with_the_real_image_of_the_same_row() -> None:
    matching = {"feature_matching_weight": 2.0, "augment_translation_px": 0}
    recipe = dataclasses.replace(TINY["paired_gan"], **matching)
    gan, batch = systems.make(recipe), systems.some_batch(recipe)
    inputs = systems.inputs(gan, batch, systems.noise())

    def logged(image: tf.Tensor) -> float:
        generated = dataclasses.replace(inputs.generated, image=image)
        _, logs = gan.generator_loss(dataclasses.replace(inputs, generated=generated))
        return float(logs["feature_matching"])

    assert logged(batch["image"]) == 0.0
    assert logged(tf.roll(batch["image"], 1, axis=0)) > 1.0
    fake, real = map(gan.image_features.block_outputs, (inputs.generated.image, batch["image"]))
    expected = 2.0 * float(losses.feature_matching(fake, real))
    assert logged(inputs.generated.image) == pytest.approx(expected, rel=1e-5)


def test_feature_matching_shifts_both_images_of_a_pair_alike() -> None:
    matching = {"feature_matching_weight": 2.0, "augment_translation_px": 4}
    recipe = dataclasses.replace(TINY["paired_gan"], **matching)
    gan, batch = systems.make(recipe), systems.some_batch(recipe)
    inputs = systems.inputs(gan, batch, systems.noise())
    alike = dataclasses.replace(inputs.generated, image=batch["image"])
    _, logs = gan.generator_loss(dataclasses.replace(inputs, generated=alike))
    assert float(logs["feature_matching"]) == 0.0


def test_feature_matching_does_not_change_the_adversarial_loss() -> None:
    gan_losses = []
    for weight in (0.0, 2.0):
        options = {"feature_matching_weight": weight, "augment_translation_px": 0}
        recipe = dataclasses.replace(TINY["paired_gan"], **options, mode_seeking_weight=0.5)
        gan, batch = systems.make(recipe), systems.some_batch(recipe)
        total, logs = gan.generator_loss(systems.inputs(gan, batch, systems.noise()))
        assert float(total) == pytest.approx(sum(map(float, logs.values())), rel=1e-5)
        gan_losses.append((float(logs["loss"]), float(logs["mode_seeking"])))
    assert gan_losses[0] == pytest.approx(gan_losses[1], rel=1e-5)


@pytest.mark.parametrize(
    ("recipe", "image_size", "expected"),
    [
        ("emoji_paired_gan", 64, (3_622_851, 1_821_792)),
        ("cub_paired_gan", 128, (2_404_875, 1_043_056)),
        ("cub_paired_gan", 256, (3_303_243, 1_469_424)),
    ],
)
def test_parameter_counts_are_the_stated_ones(
    recipe: str, image_size: int, expected: tuple[int, int]
) -> None:
    read = recipes.from_flagfile(shipped_recipes.files()[recipe])
    read = dataclasses.replace(read, image_size=image_size, precision="float32")
    gan = recipes.build_model(read, image_channels=3, vocabulary_size=11, dtype="float32")
    discriminator = parameter_count(gan.image_features, gan.head)
    assert (parameter_count(gan.generator), discriminator) == expected
