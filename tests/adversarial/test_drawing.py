"""A game that draws once: both players learn of the same images, as if each had drawn them."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.models import games
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial.gan import GAN

RECIPE = dataclasses.replace(TINY["df_gan"], mode_seeking_weight=0.1)


def seen_by_losses(gan: GAN, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Fills, while a step is taken, with the fakes that each loss is given."""
    seen: dict[str, Any] = {}

    def noting(name: str) -> None:
        loss = getattr(gan, name)

        def call(batch: Any, fakes: Any) -> Any:
            seen[name] = fakes
            return loss(batch, fakes)

        monkeypatch.setattr(gan, name, call)

    noting("discriminator_loss")
    noting("generator_loss")
    return seen


def test_both_players_of_df_gan_learn_of_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = games.make(RECIPE)
    seen = seen_by_losses(gan, monkeypatch)
    gan.train_step(games.some_batch(RECIPE))
    one, other = (seen[name].image.numpy() for name in ("discriminator_loss", "generator_loss"))
    np.testing.assert_array_equal(one, other)
    # Augmentation and what else is drawn is each update's own.
    one, other = (fakes.noise.normal("it", 1).numpy() for fakes in seen.values())
    assert np.abs(one - other).min() > 0


def test_others_draw_for_each_update(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = TINY["gan_cls"]
    gan = games.make(recipe)
    seen = seen_by_losses(gan, monkeypatch)
    gan.train_step(games.some_batch(recipe))
    one, other = (seen[name].image.numpy() for name in ("discriminator_loss", "generator_loss"))
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("recipe", [RECIPE, VARIANTS["df_gan-remedies"]], ids=["plain", "remedies"])
def test_the_generator_s_gradients_are_those_of_drawing_within_its_loss(recipe: Any) -> None:
    gan, batch = games.make(recipe), games.some_batch(recipe)
    update = gan.updates[-1]
    assert update.name == "generator"
    its, named = gan._differentiate(update, batch, gan._draw(batch))
    with tf.GradientTape() as tape:
        fakes = gan.generate(batch, gan._noise("drawing", batch))
        fakes = dataclasses.replace(fakes, noise=gan._noise("generator", batch))
        loss, _ = update.loss(batch, fakes)
    expected = tape.gradient(loss, update.variables)
    assert "mode_seeking" in named or recipe is not RECIPE
    assert any(np.abs(it).max() > 1e-6 for it in expected)
    for one, other in zip(its, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
