"""Gradients, updates, replicas, precisions and compilation of training steps."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.contract.cases import (
    ACTIVE_STEP,
    COMPILED_CASES,
    GRAPH_CASES,
    GRAPHS,
    OTHER_GRAPHS,
    STEP_CASES,
    SYSTEMS,
    Case,
)
from tests.contract.runs import (
    IMAGES_PER_EPOCH,
    first,
    make_batches,
    make_gan,
    make_tokenizer,
    perturb_weights,
)
from tfgan2.adversarial import multi_update
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.noise import Part
from tfgan2.adversarial.train_function import INPUT_SECONDS
from tfgan2.adversarial.updates import Update
from tfgan2.data import records
from tfgan2.runs.recipe import Recipe

FIRST_LOSS_SCALE = 2.0**15


class Recorder(keras.optimizers.SGD):
    """Stores the gradients of its last step; changes no weight while its rate is 0."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def build(self, var_list: list[tf.Variable]) -> None:
        super().build(var_list)
        if hasattr(self, "recorded"):
            return
        self.recorded = [self.add_variable_from_reference(v, "gradient") for v in var_list]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        super().update_step(gradient, variable)
        if isinstance(gradient, tf.IndexedSlices):
            gradient = tf.convert_to_tensor(gradient)
        self.recorded[self._index_dict[self._var_key(variable)]].assign(gradient)


def two_replicas() -> tf.distribute.Strategy:
    """The GPUs if there are two, else the two logical CPUs."""
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    devices = gpus[:2] if len(gpus) > 1 else ["CPU:0", "CPU:1"]
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def cancels_out(recipe: Recipe, variable: tf.Variable) -> bool:
    """Whether the variable is a logit bias, which cancels out in a relativistic loss."""
    discriminates = not variable.name.startswith("generator/")
    is_bias = variable.name.endswith("/bias:0") and variable.shape == [1]
    return recipe.loss == "relativistic" and discriminates and is_bias


def weights_of(networks: Sequence[keras.Model]) -> list[np.ndarray]:
    return [value.copy() for network in networks for value in network.get_weights()]


def test_gradients_reach_every_variable_of_an_update(
    recipe: Recipe, system: tuple[GAN, tf.data.Dataset]
) -> None:
    gan, batches = system
    perturb_weights(gan)
    before = {update.name: [v.numpy() for v in update.variables] for update in gan.updates}
    steps = 3 * gan.schedule.discriminator_steps
    gan.fit(batches, steps_per_epoch=steps, verbose=0)
    for update in gan.updates:
        unchanged = [
            variable.name
            for variable, old in zip(update.variables, before[update.name], strict=True)
            if np.array_equal(variable.numpy(), old) and not cancels_out(recipe, variable)
        ]
        assert not unchanged, f"{update.name} leaves {unchanged}"


def moving_statistics(gan: GAN, update: Update) -> set[int]:
    """Moving statistics of the networks that an update trains."""
    own = {id(variable) for variable in update.variables}
    return {
        id(variable)
        for network in gan.layers
        if isinstance(network, keras.Model)
        and any(id(variable) in own for variable in network.trainable_variables)
        for variable in network.non_trainable_variables
        if "moving_" in variable.name
    }


def test_update_changes_only_its_own_variables(
    system: tuple[GAN, tf.data.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    gan, batches = system
    updates = gan.updates
    (batch,) = first(batches, 1)
    averages = {id(v) for average, _ in gan.ema_pairs for v in average.variables}
    adaptive = getattr(gan, "adaptive", None)
    averages |= {id(v) for v in adaptive.variables} if adaptive is not None else set()
    for update in updates:
        monkeypatch.setattr(type(gan), "updates", (update,))
        own = {id(variable) for variable in update.variables} | moving_statistics(gan, update)
        others = [v for v in gan.variables if id(v) not in own | averages | {id(gan.step)}]
        before = [variable.numpy() for variable in others]
        gan.train_step(batch)
        changed = [
            v.name for v, old in zip(others, before, strict=True) if not np.array_equal(v, old)
        ]
        assert not changed, f"{update.name} changes {changed}"


def count_traces(gan: GAN) -> list[int]:
    """Returns a list that gets an item whenever the step of the system runs in Python."""
    traced, step = [], gan.train_step
    gan.train_step = lambda *of: traced.append(1) or step(*of)
    return traced


@pytest.mark.parametrize("case", GRAPHS)
def test_fit_does_not_retrace_after_the_first_step(
    case: Case, data_dir: pathlib.Path, manifest: records.Manifest, tmp_path: pathlib.Path
) -> None:
    tokenizer = make_tokenizer(case.recipe, tmp_path, manifest)
    gan = make_gan(case.recipe, tokenizer)
    batches = make_batches(case.recipe, data_dir, manifest, tokenizer)
    traced = count_traces(gan)
    gan.fit(batches, steps_per_epoch=1, verbose=0)
    first_step = len(traced)
    gan.fit(batches, steps_per_epoch=2, verbose=0)
    assert len(traced) == first_step
    assert int(gan.step) == 3


@pytest.mark.parametrize("recipe", SYSTEMS, indirect=True)
def test_ema_weights_follow_the_live_weights(system: tuple[GAN, tf.data.Dataset]) -> None:
    gan, batches = system
    if not gan.ema_pairs:
        pytest.skip("has no EMA")
    averages, lives = zip(*gan.ema_pairs, strict=True)
    expected = weights_of(averages)
    for step, batch in enumerate(first(batches, 3)):
        gan.train_step(batch)
        decay = 0.5 ** (
            gan.ema.batch_size
            / min(gan.ema.half_life_images, gan.ema.ramp_up * (step + 1) * gan.ema.batch_size)
        )
        expected = [
            decay * old + (1 - decay) * new
            for old, new in zip(expected, weights_of(lives), strict=True)
        ]
    for ours, theirs in zip(weights_of(averages), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", GRAPH_CASES)
def test_steps_per_execution_changes_neither_the_weights_nor_the_number_of_traces(
    case: Case, data_dir: pathlib.Path, manifest: records.Manifest, tmp_path: pathlib.Path
) -> None:
    recipe = case.recipe
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)
    weights = []
    for steps in (1, 2):
        gan = make_gan(recipe, tokenizer)
        # Adam scales rounding noise in a vanishing gradient up to a whole step.
        optimizers = {name: keras.optimizers.SGD(0.01) for name in gan.optimizers}
        gan.compile(optimizers=optimizers, steps_per_execution=steps, run_eagerly=steps == 1)
        batches = make_batches(recipe, data_dir, manifest, tokenizer)
        traced = count_traces(gan)
        gan.fit(batches, steps_per_epoch=4, verbose=0)
        weights.append(gan.get_weights())
    first_fit = len(traced)
    gan.fit(batches, steps_per_epoch=2, verbose=0)
    assert len(traced) == first_fit
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", STEP_CASES)
def test_two_replicas_compute_the_gradients_losses_and_weights_of_one_device(
    case: Case, data_dir: pathlib.Path, manifest: records.Manifest, tmp_path: pathlib.Path
) -> None:
    recipe = case.recipe
    # A generator with 20 normalized layers magnifies rounding differences from step to step.
    rate = 1e-4 if recipe.model == "stack_gan" else 0.01
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)
    alone = tf.distribute.get_strategy()
    gradients, losses, weights = [], [], []
    for strategy in (alone, two_replicas()):
        with strategy.scope():
            gan = make_gan(recipe, tokenizer)
            perturb_weights(gan)
            optimizers = {name: Recorder() for name in gan.optimizers}
            gan.compile(optimizers=optimizers, run_eagerly=case.run_eagerly or strategy is alone)
            gan.step.assign(ACTIVE_STEP)
        batches = make_batches(recipe, data_dir, manifest, tokenizer, strategy)
        logs = gan.fit(batches, steps_per_epoch=1, verbose=0).history
        losses.append({name: value for name, (value,) in logs.items() if name.endswith("/loss")})
        gradients.append([[v.numpy() for v in update.optimizer.recorded] for update in gan.updates])
        for optimizer in gan.optimizers.values():
            optimizer.learning_rate = rate
        gan.fit(batches, steps_per_epoch=1, verbose=0)
        weights.append(gan.get_weights())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    # Two replicas sum statistics in another order; 20 normalized layers magnify the difference.
    for ours, theirs in zip(*gradients, strict=True):
        # Biases before a batch normalization and logit biases of a relativistic loss have gradient
        # 0: only rounding is left.
        largest = max(np.abs(gradient).max() for gradient in ours)
        assert largest > 0
        for one, other in zip(ours, theirs, strict=True):
            tolerance = max(1e-4 * np.abs(one).max(), 2e-6 * largest)
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
    # A bias that starts at 0 is as small as the steps: the tolerance is a thousandth of a step.
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 + 1e-4 * np.abs(one).max())


@pytest.mark.parametrize("case", STEP_CASES)
def test_mixed_precision_losses_are_finite_and_near_float32(
    case: Case, data_dir: pathlib.Path, manifest: records.Manifest, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(case.recipe, discriminator_learning_rate=1e-4)
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)

    def losses_of(precision: str, *counts: int, run_eagerly: bool = True) -> list[dict[str, float]]:
        """Losses after each number of further steps."""
        gan = make_gan(recipe, tokenizer, precision=precision, run_eagerly=run_eagerly)
        batches = make_batches(recipe, data_dir, manifest, tokenizer)
        losses = []
        for count in counts:
            history = gan.fit(batches, steps_per_epoch=count, verbose=0).history
            losses.append({n: values[0] for n, values in history.items() if n != INPUT_SECONDS})
        assert all(np.isfinite(weights).all() for weights in gan.get_weights())
        return losses

    # float16 skips some of its first steps; later steps magnify rounding differences.
    more = 1 if case.run_eagerly else 7
    (exact,) = losses_of("float32", 1)
    half, _ = losses_of("mixed_float16", 1, more, run_eagerly=case.run_eagerly)
    brain, _ = losses_of("mixed_bfloat16", 1, 1)  # No loss scale, no skipped steps.
    for losses in (half, brain):
        for name, value in exact.items():
            if name.endswith("/gradient_norm"):
                # 0 where float16 overflows; a gradient that is still scaled is 2**15 times as long.
                assert losses[name] < 100 * value + 1.0, name
            else:
                assert losses[name] == pytest.approx(value, abs=0.1, rel=0.1), name


@pytest.mark.long
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_200_steps_stay_finite(
    precision: str,
    recipe: Recipe,
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tmp_path: pathlib.Path,
) -> None:
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)
    gan = make_gan(recipe, tokenizer, precision=precision)
    batches = make_batches(recipe, data_dir, manifest, tokenizer)
    history = gan.fit(batches, steps_per_epoch=200, verbose=0).history
    assert all(np.isfinite(weights).all() for weights in gan.get_weights())
    skipped = [values[0] for name, values in history.items() if "skipped" in name]
    assert all(count < 20 for count in skipped)


class FixedNoise:
    """Noise that XLA reproduces; from one seed XLA draws other values (TensorFlow issue 117644)."""

    def __init__(
        self, *, seed: int, step: tf.Tensor, scope: str, batch_size: int, part: Part
    ) -> None:
        del seed, step, part
        self._scope, self._rows = scope, batch_size

    def normal(self, name: str, size: int) -> tf.Tensor:
        return tf.constant(self._source(name).normal(size=[self._rows, size]), tf.float32)

    def uniform(self, name: str, size: int) -> tf.Tensor:
        return tf.constant(self._source(name).uniform(size=[self._rows, size]), tf.float32)

    def _source(self, name: str) -> np.random.Generator:
        return np.random.default_rng([*f"{self._scope}/{name}".encode()])


@pytest.mark.slow
@pytest.mark.parametrize("case", COMPILED_CASES)  # Not DAMSM, which the trainer refuses.
def test_xla_compiles_the_step(
    case: Case,
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = case.recipe
    monkeypatch.setattr(multi_update, "StepNoise", FixedNoise)
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)
    losses = []
    for jit_compile in (False, True):
        gan = make_gan(recipe, tokenizer, run_eagerly=not jit_compile)
        if jit_compile:
            gan.compile(optimizers=gan.make_optimizers(IMAGES_PER_EPOCH), jit_compile=True)
        batches = make_batches(recipe, data_dir, manifest, tokenizer)
        losses.append(gan.fit(batches, steps_per_epoch=1, verbose=0).history)
    assert all(np.isfinite(value) for (value,) in losses[1].values())
    # Only the first update is compared: after it, Adam scales rounding noise up to whole steps.
    first_update = gan.updates[0].name
    compared = {
        name: value for name, (value,) in losses[0].items() if name.startswith(first_update)
    }
    assert compared
    for name, value in compared.items():
        assert losses[1][name][0] == pytest.approx(value, abs=1e-3, rel=1e-3), name


@pytest.mark.parametrize("case", GRAPHS + OTHER_GRAPHS)
def test_overflow_skips_the_update_and_is_counted(
    case: Case,
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = case.recipe
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)
    gan = make_gan(recipe, tokenizer, precision="mixed_float16")
    update = next(update for update in gan.updates if update.active_steps is None)
    monkeypatch.setattr(
        type(gan), "updates", (update,)
    )  # Other updates may train the same variables.
    before = [variable.numpy() for variable in update.variables]
    (batch,) = first(make_batches(recipe, data_dir, manifest, tokenizer), 1)
    logs = gan.train_step({**batch, "image": batch["image"] * np.float32(np.inf)})
    for variable, old in zip(update.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)
    assert float(logs[f"{update.name}/skipped_updates"]) == 1
    assert float(update.optimizer.loss_scale) == FIRST_LOSS_SCALE / 2
    assert int(gan.step) == 1
    assert all(np.isfinite(value).all() for value in gan.get_weights())
    skipped = 1.0
    for _ in range(10):  # The scale falls until no gradient of this batch overflows.
        logs = gan.train_step(batch)
        previous, skipped = skipped, float(logs[f"{update.name}/skipped_updates"])
        assert float(logs[f"{update.name}/loss_scale"]) <= FIRST_LOSS_SCALE / 2**previous
        if skipped == previous:
            break
    assert skipped == previous
    assert any(
        not np.array_equal(variable.numpy(), old)
        for variable, old in zip(update.variables, before, strict=True)
    )
