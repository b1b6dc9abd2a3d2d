"""Runs with optimizers of TensorFlow Addons resume, skip overflows and sample like all runs."""

import dataclasses
import importlib.util
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.contract.runs import train_to
from tests.models import systems
from tests.tiny import QUICK, TINY
from tfgan2.adversarial.gan import GAN
from tfgan2.optimizers.differences import average_kept_by, state_of
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory

if not importlib.util.find_spec("tensorflow_addons"):
    pytest.skip("only `make test-addons` has them", allow_module_level=True)

LAMB = {"generator_optimizer": "addons.LAMB", "discriminator_optimizer": "addons.NovoGrad"}
LOOKAHEAD = {
    "generator_optimizer": "addons.Lookahead(addons.LAMB, sync_period=3)",
    "discriminator_optimizer": "addons.Lookahead(adam, sync_period=3)",
}
AVERAGED = {
    "generator_optimizer": "addons.MovingAverage(addons.RectifiedAdam)",
    "discriminator_optimizer": "addons.SWA(addons.AdamW(weight_decay=0.01), average_period=2)",
}
NAMED = [
    pytest.param(it, id=name)
    for name, it in {"lamb": LAMB, "lookahead": LOOKAHEAD, "averaged": AVERAGED}.items()
]


def train(
    recipe: recipes.Recipe, data_dir: pathlib.Path, path: pathlib.Path, *, steps: int
) -> dict:
    """Trains up to a step, and returns the values of its checkpoint."""
    train_to(steps, recipe, data_dir, path, checkpoint_every=1000, sample_every=1000)
    checkpoint = tf.train.latest_checkpoint(str(RunDirectory.existing(path).checkpoints))
    reader = tf.train.load_checkpoint(checkpoint)
    names = sorted(reader.get_variable_to_shape_map())
    left_out = ("save_counter", "OBJECT_GRAPH")
    return {
        name: reader.get_tensor(name)
        for name in names
        if not any(part in name for part in left_out)
    }


@pytest.mark.parametrize(
    ("optimizers", "precision", "kept"),
    [
        (LAMB, "mixed_float16", {"m", "v"}),
        (LOOKAHEAD, "float32", {"m", "v", "slow"}),
        (AVERAGED, "float32", {"m", "v", "average"}),
    ],
)
def test_resumed_run_ends_with_the_same_checkpoint(
    optimizers: dict[str, str],
    precision: str,
    kept: set[str],
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    recipe = dataclasses.replace(QUICK, precision=precision, **optimizers)
    whole = train(recipe, data_dir, tmp_path / "whole", steps=4)
    train(recipe, data_dir, tmp_path / "halves", steps=2)
    halves = train(recipe, data_dir, tmp_path / "halves", steps=4)
    slots = {name.rpartition("/.ATTRIBUTES")[0].rpartition("/")[2] for name in whole}
    assert kept <= slots
    assert whole.keys() == halves.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(value, halves[name], err_msg=name)


def make_system(optimizers: dict[str, str], *, precision: str = "float32") -> tuple[GAN, dict]:
    recipe = dataclasses.replace(QUICK, **optimizers)
    return systems.make(recipe, precision=precision), systems.some_batch(recipe)


@pytest.mark.parametrize("optimizers", NAMED)
def test_overflow_skips_the_update_and_is_counted(optimizers: dict[str, str]) -> None:
    gan, batch = make_system(optimizers, precision="mixed_float16")
    trained = [it for update in gan.updates for it in update.variables]
    before = systems.values(trained)
    logs = gan.train_step({**batch, "image": batch["image"] * np.float32(np.inf)})
    discriminator, _ = gan.updates
    kept = before[: len(discriminator.variables)]
    assert systems.same(systems.values(discriminator.variables), kept)
    assert float(logs["discriminator/skipped_updates"]) == 1
    assert float(discriminator.optimizer.loss_scale) == 2.0**14
    for _ in range(15):  # The loss scales fall until no gradient overflows.
        gan.train_step(batch)
    assert not systems.same(systems.values(trained), before)
    assert all(np.isfinite(value).all() for value in systems.values(gan.weights))


def test_sampling_uses_the_weights_of_moving_average() -> None:
    gan, batch = make_system(AVERAGED)
    for _ in range(3):
        gan.train_step(batch)
    _, generator = gan.updates
    sampled = systems.values(gan.average_generator.trainable_variables)
    kept = [average_kept_by(generator.optimizer, it).numpy() for it in generator.variables]
    assert systems.same(sampled, kept)
    assert not systems.same(kept, systems.values(generator.variables))


@pytest.mark.parametrize("optimizers", NAMED)
def test_inactive_update_does_not_change_the_state_of_its_optimizer(
    optimizers: dict[str, str],
) -> None:
    recipe = dataclasses.replace(TINY["auto_write"], warm_up_steps=5, **optimizers)
    gan = systems.make(recipe)
    (generator,) = (update for update in gan.updates if update.name == "generator")
    state = [*generator.variables, *state_of(generator.optimizer)]
    before = systems.values(state)
    gan.train_step(systems.some_batch(recipe))
    assert systems.same(systems.values(state), before)


def test_two_replicas_train_as_one_device() -> None:
    alone = tf.distribute.get_strategy()
    pair = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    weights = []
    for strategy in (alone, pair):
        with strategy.scope():
            gan, batch = make_system(LOOKAHEAD)
        rows = tf.data.Dataset.from_tensors(batch).unbatch().batch(8, drop_remainder=True).repeat()
        gan.fit(strategy.experimental_distribute_dataset(rows), steps_per_epoch=1, verbose=0)
        weights.append(systems.values(gan.weights))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-3)
