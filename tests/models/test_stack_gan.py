"""StackGAN's training: inputs of each form's discriminator, and the frozen weights of stage II."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.models import systems
from tests.tiny import TINY, VARIANTS
from tfgan2.runs import recipe as recipes

STAGE_ONE = TINY["stack_gan"]
PYTORCH = VARIANTS["stack_gan-pytorch"]
STAGE_TWO = VARIANTS["stack_gan-stage_two"]
PYTORCH_STAGE_TWO = VARIANTS["stack_gan-stage_two-pytorch"]


def test_discriminator_condition_is_the_sentence_or_its_conditioning_mean() -> None:
    sentence = tf.random.stateless_normal([3, STAGE_ONE.sentence_size], [0, 1])
    assert systems.make(STAGE_ONE).condition(sentence) is sentence
    gan = systems.make(PYTORCH)
    mean, _ = gan.generator.conditioning(sentence)
    np.testing.assert_array_equal(gan.condition(sentence), mean)
    assert mean.shape == (3, PYTORCH.conditioning_size)


@pytest.mark.parametrize(
    ("recipe", "unconditional"),
    [(PYTORCH, 0), (STAGE_TWO, 0), (PYTORCH_STAGE_TWO, 1)],
    ids=["pytorch", "tensorflow-stage_two", "pytorch-stage_two"],
)
def test_only_stage_two_of_pytorch_has_unconditional_logits(
    recipe: recipes.Recipe, unconditional: int
) -> None:
    gan, batch = systems.make(recipe), systems.some_batch(recipe)
    sentence = gan.condition(gan.encode(batch["tokens"]))
    features = gan.image_features(batch["image"], training=True)
    logits, others = gan.logits(features, sentence), gan.logits(features, sentence + 1.0)
    assert len(logits.conditional) == 1
    assert len(logits.unconditional) == unconditional
    assert not np.array_equal(logits.conditional[0], others.conditional[0])
    for one, other in zip(logits.unconditional, others.unconditional, strict=True):
        np.testing.assert_array_equal(one, other)


def test_unfrozen_text_encoder_is_trained_by_the_discriminator_update() -> None:
    gan = systems.make(PYTORCH)
    # Opens the ReLU of the conditioning for every row.
    gan.generator.conditioning.dense.bias.assign(
        tf.ones_like(gan.generator.conditioning.dense.bias)
    )
    before = systems.values(gan.text_encoder.trainable_variables)
    gan.train_step(systems.some_batch(PYTORCH))
    assert systems.none_same(before, systems.values(gan.text_encoder.trainable_variables))


def test_adversarial_losses_do_not_train_the_conditioning_through_the_discriminator() -> None:
    gan, batch = systems.make(PYTORCH), systems.some_batch(PYTORCH)
    discriminator, generator = gan.updates
    conditioning = {id(v) for v in gan.generator.conditioning.trainable_variables}
    assert not conditioning & {id(v) for v in discriminator.variables}
    assert conditioning <= {id(v) for v in generator.variables}
    inputs = systems.inputs(gan, batch, systems.noise())
    fakes = inputs.generated
    with tf.GradientTape() as tape:
        fixed = dataclasses.replace(fakes, image=tf.stop_gradient(fakes.image))
        # The KL divergence is left out: only that term trains the conditioning.
        loss, parts = gan.generator_loss(dataclasses.replace(inputs, generated=fixed))
        adversarial = loss - parts["kl"] - parts["mode_seeking"]
    gradients = tape.gradient(adversarial, gan.generator.conditioning.trainable_variables)
    assert all(gradient is None or not np.any(gradient) for gradient in gradients)


def test_weighted_kl_is_added_to_the_generator_loss() -> None:
    gan, batch = systems.make(STAGE_ONE), systems.some_batch(STAGE_ONE)
    inputs = systems.inputs(gan, batch, systems.noise())
    fakes = inputs.generated
    loss, parts = gan.generator_loss(inputs)
    assert set(parts) == {"loss", "kl", "mode_seeking"}
    dense = gan.generator.conditioning.dense
    units = fakes.sentence.numpy() @ dense.kernel.numpy() + dense.bias.numpy()
    units = np.where(units > 0, units, 0.2 * units)
    mean, log_sigma = np.split(units, 2, axis=1)
    divergence = np.mean(-log_sigma + (np.exp(2 * log_sigma) + mean**2 - 1) / 2)
    assert float(parts["kl"]) == pytest.approx(STAGE_ONE.kl_weight * divergence, rel=1e-4, abs=1e-6)
    without = systems.make(dataclasses.replace(STAGE_ONE, kl_weight=0.0))
    other, _ = without.generator_loss(inputs)
    assert float(loss) - float(parts["kl"]) == pytest.approx(float(other), rel=1e-5)


def test_noise_size_is_that_of_the_latent_and_every_conditioning() -> None:
    assert systems.make(STAGE_ONE).noise_size == STAGE_ONE.latent_size + STAGE_ONE.conditioning_size
    gan = systems.make(STAGE_TWO)
    assert gan.noise_size == STAGE_TWO.latent_size + 2 * STAGE_TWO.conditioning_size
    assert gan.sampler(None, truncation=1.0).latent_size == gan.noise_size


def test_stage_two_trains_neither_stage_one_nor_the_text_encoder() -> None:
    gan = systems.make(STAGE_TWO)
    kept = [
        *gan.generator.stage_one.variables,
        *gan.average_generator.stage_one.variables,
        *gan.text_encoder.variables,
    ]
    learned = [*gan.generator.to_image.variables, *gan.generator.blocks[0].trainable_variables]
    before, learning = systems.values(kept), systems.values(learned)
    gan.train_step(systems.some_batch(STAGE_TWO))
    assert systems.same(before, systems.values(kept))
    assert systems.none_same(learning, systems.values(learned))


def test_stage_two_loads_stage_one_for_training_and_for_sampling() -> None:
    keys = {"seed": 77, "stage": 1, "image_size": 16, "freeze_text_encoder": False}
    stage_one = systems.make(dataclasses.replace(STAGE_TWO, **keys)).average_generator
    gan = systems.make(STAGE_TWO)
    assert not systems.same(gan.generator.stage_one.get_weights(), stage_one.get_weights())
    gan.load_stage1(stage_one)
    noise = tf.random.stateless_normal([2, stage_one.noise_size], [0, 1])
    sentence = tf.random.stateless_normal([2, STAGE_TWO.sentence_size], [0, 2])
    for generator in (gan.generator, gan.average_generator):
        np.testing.assert_array_equal(
            generator.stage_one(noise, sentence), stage_one(noise, sentence)
        )
        assert not generator.stage_one.trainable_variables
