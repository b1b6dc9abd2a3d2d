"""Learning rates of every network's optimizer, and their schedules."""

import dataclasses
from collections.abc import Sequence

import pytest
import tf_keras as keras

from tests.models import systems
from tests.tiny import TINY
from tfgan2.adversarial.updates import PENALTY
from tfgan2.runs.recipe import MATCHING_MODELS, Recipe

DRAWING = {name: recipe for name, recipe in TINY.items() if name not in MATCHING_MODELS}


def rate_after(optimizer: keras.optimizers.Optimizer, steps: int) -> float:
    optimizer.iterations.assign(steps)
    schedule = optimizer._learning_rate
    is_schedule = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
    return float(schedule(steps) if is_schedule else schedule)


@pytest.mark.parametrize("recipe", DRAWING.values(), ids=DRAWING)
def test_every_optimizer_has_the_rates_and_settings_of_the_recipe(recipe: Recipe) -> None:
    gan = systems.make(recipe)
    options = dataclasses.replace(
        gan.options,
        generator_learning_rate=0.004,
        discriminator_learning_rate=0.008,
        adam_beta1=0.25,
        adam_beta2=0.75,
        adam_epsilon=1e-5,
        learning_rate_halving_epochs=0.0,
    )

    def rates(epochs: Sequence[float], **changes: float) -> dict[str, list[float]]:
        """Relative rates of every optimizer but the ranking's, by epochs of two steps each."""
        gan.options = dataclasses.replace(options, **changes)
        found = {}
        for name, optimizer in gan.make_optimizers(systems.IMAGES_PER_EPOCH).items():
            if name != "ranking":
                assert (optimizer.beta_1, optimizer.beta_2) == (0.25, 0.75)
                assert optimizer.epsilon == 1e-5
                # With two discriminator steps, the generator is updated in one of them.
                critic_steps = changes.get("discriminator_steps", 1)
                every = 2 if name != "generator" or critic_steps == 1 else 1
                first = 0.004 if name == "generator" else 0.008
                found[name] = [rate_after(optimizer, int(every * it)) / first for it in epochs]
        assert {"generator"} < set(found)
        return found

    for found in rates([0, 10**6]).values():
        assert found == pytest.approx([1, 1])
    halved = rates([0, 0.5, 1, 1.5, 2, 2.5, 3], learning_rate_halving_epochs=1.5)
    for found in halved.values():
        assert found == pytest.approx([1] * 3 + [1 / 2] * 3 + [1 / 4])
    falling = rates(
        [0, 2, 3, 5, 6, 7],
        learning_rate_linear_from_epochs=2.0,
        learning_rate_linear_to_epochs=6.0,
        discriminator_steps=2,
    )
    for found in falling.values():
        assert found == pytest.approx([1, 1, 3 / 4, 1 / 4, 0, 0])


@pytest.mark.parametrize("recipe", TINY.values(), ids=TINY)
def test_every_update_has_the_optimizer_of_its_name(recipe: Recipe) -> None:
    gan = systems.make(recipe)
    for update in gan.updates:
        # The separate update of MA-GP is one of the discriminator.
        name = "discriminator" if update.name == PENALTY else update.name
        assert update.optimizer is gan.optimizers[name]


def test_ranking_optimizer_has_its_own_rate_and_clips_gradients() -> None:
    recipe = dataclasses.replace(TINY["gan_cls"], ranking_learning_rate=0.003)
    ranking = systems.make(recipe).optimizers["ranking"]
    assert rate_after(ranking, 10**6) == pytest.approx(0.003)
    assert ranking.global_clipnorm == 10.0
