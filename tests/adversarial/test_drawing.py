"""A shared generated batch gives both updates the gradients of separate batches."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import systems
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial.updates import LossInputs
from tfgan2.runs.recipe import Recipe

RECIPE = dataclasses.replace(TINY["df_gan"], mode_seeking_weight=0.1)


def test_other_systems_draw_one_batch_per_update(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = TINY["gan_cls"]
    gan, drawn = systems.make(recipe), []
    generate = gan.generate
    monkeypatch.setattr(
        gan, "generate", lambda *of: drawn.append(generate(*of).image) or generate(*of)
    )
    gan.train_step(systems.some_batch(recipe))
    one, other = drawn
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(
    "recipe", [RECIPE, VARIANTS["df_gan-stabilizers"]], ids=["plain", "stabilizers"]
)
def test_shared_batch_gives_the_same_generator_gradients(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = systems.make(recipe)
    optimizers = {
        "discriminator": keras.optimizers.SGD(0.0),
        "generator": keras.optimizers.SGD(1.0),
    }
    gan.compile(optimizers=optimizers)
    variables = gan.generator.trainable_variables
    generate, loss, drawn, noises, expected = gan.generate, gan.generator_loss, [], [], []
    discriminator_loss = gan.discriminator_loss

    def recording(batch: Any, noise: Any) -> Any:
        drawn.append(noise)
        return generate(batch, noise)

    def recording_noise(inputs: LossInputs) -> Any:
        noises.append(inputs.noise)
        return discriminator_loss(inputs)

    def differentiated(inputs: LossInputs) -> Any:
        with tf.GradientTape() as tape:
            again = generate(inputs.batch, drawn[0])
            value, parts = loss(dataclasses.replace(inputs, generated=again))
        np.testing.assert_array_equal(again.image, inputs.generated.image)
        noises.append(inputs.noise)
        assert ("mode_seeking" in parts) == (recipe.mode_seeking_weight > 0)
        expected.extend(tape.gradient(value, variables))
        return loss(inputs)

    monkeypatch.setattr(gan, "generate", recording)
    monkeypatch.setattr(gan, "discriminator_loss", recording_noise)
    monkeypatch.setattr(gan, "generator_loss", differentiated)
    before = systems.values(variables)
    gan.train_step(systems.some_batch(recipe))
    assert len(drawn) == 1  # Both updates use the same images.
    # Each update has its own augmentation and other noise.
    one, other = (noise.normal("it", 1).numpy() for noise in noises)
    assert np.abs(one - other).min() > 0
    assert any(np.abs(it).max() > 1e-6 for it in expected)
    for old, new, gradient in zip(before, systems.values(variables), expected, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-3, atol=1e-6)
