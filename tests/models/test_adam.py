"""The rates of every player's optimizer, and when they are halved."""

import dataclasses

import pytest
import tf_keras as keras

from tests.models import games
from tests.tiny import TINY
from tfgan2.runs.recipe import MATCHING_MODELS, Recipe

DRAWING = {name: recipe for name, recipe in TINY.items() if name not in MATCHING_MODELS}


def rate_after(optimizer: keras.optimizers.Optimizer, steps: int) -> float:
    optimizer.iterations.assign(steps)
    schedule = optimizer._learning_rate
    is_schedule = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
    return float(schedule(steps) if is_schedule else schedule)


@pytest.mark.parametrize("recipe", DRAWING.values(), ids=DRAWING)
def test_rates_are_halved_after_every_so_many_epochs(recipe: Recipe) -> None:
    recipe = dataclasses.replace(
        recipe,
        generator_learning_rate=0.004,
        discriminator_learning_rate=0.008,
        learning_rate_halving_epochs=1.5,
    )
    optimizers = games.make(recipe).optimizers
    for name in optimizers.keys() - {"ranking"}:
        first = 0.004 if name == "generator" else 0.008
        rates = [rate_after(optimizers[name], step) for step in range(7)]
        assert rates == pytest.approx([first] * 3 + [first / 2] * 3 + [first / 4])


@pytest.mark.parametrize("recipe", DRAWING.values(), ids=DRAWING)
def test_without_halving_rates_stay(recipe: Recipe) -> None:
    recipe = dataclasses.replace(recipe, learning_rate_halving_epochs=0.0)
    for name, optimizer in games.make(recipe).optimizers.items():
        assert rate_after(optimizer, 10**6) == rate_after(optimizer, 0), name


def test_all_players_have_the_numbers_of_the_recipe() -> None:
    recipe = dataclasses.replace(
        TINY["stack_gan"], adam_beta1=0.25, adam_beta2=0.75, adam_epsilon=1e-5
    )
    for optimizer in games.make(recipe).optimizers.values():
        assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.25, 0.75, 1e-5)


def test_the_ranking_has_a_rate_of_its_own_and_its_gradients_are_clipped() -> None:
    recipe = dataclasses.replace(TINY["gan_cls"], ranking_learning_rate=0.003)
    ranking = games.make(recipe).optimizers["ranking"]
    assert rate_after(ranking, 10**6) == pytest.approx(0.003)
    assert ranking.global_clipnorm == 10.0


@pytest.mark.parametrize("recipe", DRAWING.values(), ids=DRAWING)
def test_rates_fall_in_a_straight_line_by_each_players_own_steps(recipe: Recipe) -> None:
    recipe = dataclasses.replace(
        recipe,
        generator_learning_rate=0.004,
        discriminator_learning_rate=0.008,
        learning_rate_halving_epochs=0.0,
        learning_rate_linear_from_epochs=2.0,
        learning_rate_linear_to_epochs=6.0,
        discriminator_steps=2,
    )
    # A pass over the data has two steps, in one of which the generator moves.
    optimizers = games.make(recipe).optimizers
    for name in optimizers.keys() - {"ranking"}:
        first, every = (0.004, 1) if name == "generator" else (0.008, 2)
        rates = [rate_after(optimizers[name], every * epoch) for epoch in (0, 2, 3, 5, 6, 7)]
        assert rates == pytest.approx([first, first, first * 3 / 4, first / 4, 0, 0])
