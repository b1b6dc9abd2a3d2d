"""Accumulated gradients: micro-batches give the update of the whole batch."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.contract.runs import perturb_weights, start
from tests.contract.test_steps import two_replicas
from tests.models import systems
from tests.tiny import QUICK, TINY, VARIANTS
from tfgan2.adversarial.gan import GAN
from tfgan2.program import UsageError
from tfgan2.runs.recipe import Recipe

PARTS = 2
# Ranking compares the rows of a batch; the trainer refuses it.
RECIPES = {
    **{name: it for name, it in TINY.items() if name not in ("damsm", "gan_cls")},
    "gan_cls": dataclasses.replace(TINY["gan_cls"], ranking_images=0),
}
CASES = [pytest.param(recipe, id=name) for name, recipe in RECIPES.items()] + [
    pytest.param(VARIANTS[name], id=name, marks=pytest.mark.slow)
    for name in ("df_gan-stabilizers", "df_gan-2020")
]


def make(recipe: Recipe, parts: int, *, precision: str = "float32") -> GAN:
    """A system whose batch normalization, if any, uses moving statistics: rows are independent."""
    gan = systems.make(recipe, precision=precision)
    for layer in gan.submodules:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    perturb_weights(gan)
    # Adam would scale rounding noise in a vanishing gradient up to a whole step.
    optimizers = {name: keras.optimizers.SGD(0.01) for name in gan.optimizers}
    gan.compile(optimizers=optimizers, accumulate_gradients=parts)
    gan.step.assign(1)  # All updates of the tiny recipes are active.
    return gan


def check_same(one: GAN, other: GAN, *, tolerance: float = 1e-6) -> None:
    for ours, theirs in zip(one.variables, other.variables, strict=True):
        scale = max(1.0, np.abs(theirs).max())
        message = ours.name
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale, err_msg=message)


@pytest.mark.parametrize("recipe", CASES)
def test_micro_batches_give_the_update_and_the_logs_of_the_whole_batch(recipe: Recipe) -> None:
    batch = systems.some_batch(recipe)
    whole, parts = make(recipe, 1), make(recipe, PARTS)
    before = [variable.numpy() for variable in whole.trainable_variables]
    expected, logs = whole.train_step(batch), parts.train_step(batch)
    check_same(parts, whole)
    assert expected.keys() == logs.keys()
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name
    changed = [
        not np.array_equal(it, old)
        for it, old in zip(whole.trainable_variables, before, strict=True)
    ]
    assert any(changed)


def test_micro_batches_give_the_same_update_in_a_graph_with_the_fused_adam() -> None:
    recipe = TINY["paired_gan"]
    gans = [make(recipe, count) for count in (1, PARTS)]
    for gan, count in zip(gans, (1, PARTS), strict=True):
        gan.compile(optimizers=gan.make_optimizers(16), accumulate_gradients=count)
        step = tf.function(gan.train_step, autograph=False)
        step(systems.some_batch(recipe))
    # Adam divides by the gradient: rounding moves a weight with a small gradient.
    moved = 1e-2 * max(recipe.generator_learning_rate, recipe.discriminator_learning_rate)
    for ours, theirs in zip(*(gan.trainable_variables for gan in gans), strict=True):
        near = np.isclose(ours, theirs, rtol=0, atol=moved)
        assert near.mean() > 0.99, ours.name


def test_overflow_of_one_micro_batch_skips_the_update() -> None:
    gan = make(QUICK, PARTS, precision="mixed_float16")
    batch = systems.some_batch(QUICK)
    image = batch["image"].numpy()
    image[-1] = np.inf
    before = [variable.numpy() for variable in gan.image_features.trainable_variables]
    logs = gan.train_step({**batch, "image": tf.constant(image)})
    assert float(logs["discriminator/skipped_updates"]) == 1
    assert float(gan.updates[0].optimizer.loss_scale) == 2.0**14
    for variable, old in zip(gan.image_features.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_mixed_precision_gradients_have_the_size_of_those_in_float32() -> None:
    batch = systems.some_batch(QUICK)
    exact, *norms = (
        make(QUICK, count, precision=precision).train_step(batch)
        for count, precision in ((1, "float32"), (1, "mixed_float16"), (PARTS, "mixed_float16"))
    )
    for name in ("discriminator/gradient_norm", "generator/gradient_norm"):
        for norm in norms:
            assert float(norm[name]) == pytest.approx(float(exact[name]), rel=0.02)


def test_replicas_split_their_own_rows() -> None:
    recipe = dataclasses.replace(QUICK, augment_translation_px=2)
    batch = systems.some_batch(recipe)
    whole = make(recipe, 1)
    whole.train_step(batch)
    strategy = two_replicas()
    with strategy.scope():
        gan = make(recipe, PARTS)

    def rows(context: Any) -> dict:
        half = recipe.batch_size // 2
        first = context.replica_id_in_sync_group * half
        return tf.nest.map_structure(lambda it: it[first : first + half], batch)

    local = strategy.experimental_distribute_values_from_function(rows)
    strategy.run(tf.function(gan.train_step, autograph=False), args=(local,))
    check_same(gan, whole)


@pytest.mark.parametrize(
    ("recipe", "parts", "rule"),
    [
        (TINY["damsm"], 2, "must be 1 for damsm, which compares all rows of a batch, got 2"),
        (TINY["gan_cls"], 2, "must be 1 with --ranking_images"),
        (QUICK, 3, "must divide the 8 rows of a replica, got 3"),
    ],
    ids=["matching", "ranking", "rows"],
)
def test_losses_that_compare_the_rows_of_a_batch_are_refused(
    recipe: Recipe, parts: int, rule: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=f"--accumulate_gradients: {rule}"):
        start(recipe, data_dir, tmp_path / "run", accumulate_gradients=parts)
    assert not (tmp_path / "run").exists()


def test_groups_of_rows_must_lie_in_one_micro_batch(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    grouped = dataclasses.replace(QUICK, minibatch_group=4)
    paired = dataclasses.replace(RECIPES["gan_cls"], interpolation="midpoint")
    for recipe, rule in (
        (grouped, "--minibatch_group: must divide the 2 rows"),
        (dataclasses.replace(paired, batch_size=12), "--batch_size: must be even on each of 4 mic"),
    ):
        with pytest.raises(UsageError, match=rule):
            start(recipe, data_dir, tmp_path / "run", accumulate_gradients=4)
    assert not (tmp_path / "run").exists()


def test_run_says_that_batch_normalization_uses_micro_batches(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    rule = "--accumulate_gradients: batch normalization uses the 4 rows of a micro-batch"
    for recipe, is_said in ((QUICK, False), (TINY["auto_write"], True)):
        start(recipe, data_dir, tmp_path / recipe.model, accumulate_gradients=2)
        assert (rule in capsys.readouterr().err) == is_said
