"""A game that draws once: both players learn of the same images, as if each had drawn them."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import systems
from tests.tiny import TINY, VARIANTS
from tfgan2.runs.recipe import Recipe

RECIPE = dataclasses.replace(TINY["df_gan"], mode_seeking_weight=0.1)


def test_others_draw_for_each_update(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = TINY["gan_cls"]
    gan, drawn = systems.make(recipe), []
    generate = gan.generate
    monkeypatch.setattr(
        gan, "generate", lambda *of: drawn.append(generate(*of).image) or generate(*of)
    )
    gan.train_step(systems.some_batch(recipe))
    one, other = drawn
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("recipe", [RECIPE, VARIANTS["df_gan-remedies"]], ids=["plain", "remedies"])
def test_the_generator_s_gradients_are_those_of_drawing_within_its_loss(
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
    judge = gan.discriminator_loss

    def noting(batch: Any, noise: Any) -> Any:
        drawn.append(noise)
        return generate(batch, noise)

    def judged(batch: Any, fakes: Any) -> Any:
        noises.append(fakes.noise)
        return judge(batch, fakes)

    def differentiated(batch: Any, fakes: Any) -> Any:
        with tf.GradientTape() as tape:
            again = dataclasses.replace(generate(batch, drawn[0]), noise=fakes.noise)
            value, parts = loss(batch, again)
        np.testing.assert_array_equal(again.image, fakes.image)
        noises.append(fakes.noise)
        assert ("mode_seeking" in parts) == (recipe.mode_seeking_weight > 0)
        expected.extend(tape.gradient(value, variables))
        return loss(batch, fakes)

    monkeypatch.setattr(gan, "generate", noting)
    monkeypatch.setattr(gan, "discriminator_loss", judged)
    monkeypatch.setattr(gan, "generator_loss", differentiated)
    before = systems.values(variables)
    gan.train_step(systems.some_batch(recipe))
    assert len(drawn) == 1  # Both learn of the same images.
    # Augmentation and what else is drawn is each update's own.
    one, other = (noise.normal("it", 1).numpy() for noise in noises)
    assert np.abs(one - other).min() > 0
    assert any(np.abs(it).max() > 1e-6 for it in expected)
    for old, new, gradient in zip(before, systems.values(variables), expected, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-3, atol=1e-6)
