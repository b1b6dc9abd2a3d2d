"""Stabilizers: each changes the losses of every system; disabled, they change nothing."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import systems
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial import penalties, spectral
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.schedule import Phase
from tfgan2.adversarial.updates import Logs
from tfgan2.models.auto_write import networks as auto_write
from tfgan2.runs.recipe import MATCHING_MODELS, Recipe

OFF = {
    "ma_gp_weight": 0.0,
    "r1_weight": 0.0,
    "r2_weight": 0.0,
    "mode_seeking_weight": 0.0,
    "augment_translation_px": 0,
}
SYSTEMS = {
    name: dataclasses.replace(recipe, **OFF)
    for name, recipe in TINY.items()
    if name not in MATCHING_MODELS
} | {"df_gan-unet": VARIANTS["df_gan-unet"]}


@pytest.fixture(autouse=True)
def small_auto_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_CHANNELS", (4, 8))
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_UNITS", 16)


def logs_of(gan: GAN, recipe: Recipe, *, phase: Phase | None = None) -> dict[str, float]:
    """Loss terms of all updates for a batch, without applying gradients."""
    batch, found = systems.some_batch(recipe), {}
    for update in gan.updates:
        step = tf.constant(0, tf.int64)
        noise = StepNoise(seed=1, step=step, scope=update.name, batch_size=recipe.batch_size)
        _, parts = update.loss(systems.inputs(gan, batch, noise, phase=phase))
        found |= {f"{update.name}/{name}": float(value) for name, value in parts.items()}
    return found


def without_gradients(
    critic: Any, inputs: Any, *, scale: Any, needed: bool = True
) -> tuple[Any, list[tf.Tensor]]:
    """Fails if input gradients are computed, which costs time in every step."""
    assert not needed
    return critic(*inputs)[1], []


def normalized_layers(*networks: keras.Model) -> list[spectral.SpectralLayer]:
    layers = [layer for network in networks for layer in network.submodules]
    return [layer for layer in layers if isinstance(layer, spectral.SpectralLayer)]


def changed(one: Logs, other: Logs) -> set[str]:
    return {name for name in one if name not in other or abs(one[name] - other[name]) > 1e-6}


def with_stabilizers(recipe: Recipe, **options: Any) -> dict[str, float]:
    changed_recipe = dataclasses.replace(recipe, **options)
    changed_recipe.check()
    return logs_of(systems.make(changed_recipe), changed_recipe)


@pytest.mark.parametrize("recipe", SYSTEMS.values(), ids=SYSTEMS)
def test_every_stabilizer_changes_the_losses_of_every_system(recipe: Recipe) -> None:
    captioned = recipe.model != "auto_write"
    recipe = dataclasses.replace(recipe, **({"loss": "bce"} if captioned else {}))
    before = logs_of(systems.make(recipe), recipe)
    updates = (
        {"real": "real", "fake": "fake"}
        if not captioned
        else dict.fromkeys(("real", "fake"), "discriminator")
    )

    # auto_write's discriminator is nearly flat at the start.
    weighted = {"r1_weight": 1e6, "r2_weight": 1e6, "label_smoothing": 0.2}
    expected = {f"{updates['real']}/loss", f"{updates['real']}/r1", f"{updates['fake']}/r2"}
    if captioned:
        weighted["ma_gp_weight"] = 2.0
        expected.add("discriminator/ma_gp")
    after = with_stabilizers(recipe, **weighted)
    assert changed(after, before) == expected
    assert min(after[name] for name in expected) > 0

    inputs = {"augment": {"augment_translation_px": 2}, "group": {"minibatch_group": 2}}
    if recipe.discriminator_form != "unet":
        # The U-Net always has it: its one other layer starts with a singular value of 1.
        inputs["spectral"] = {"discriminator_spectral_norm": True}
    # Real and generated images are augmented in the same way.
    logits = {f"discriminator/{image}_logit" for image in updates}
    if not captioned:
        logits = {f"{image}/logit" for image in updates}
    for options in inputs.values():
        different = changed(with_stabilizers(recipe, **options), before)
        assert any(name.startswith("generator/") for name in different), options
        assert logits <= different, options


@pytest.mark.parametrize("options", [{"augment_color": True}, {"augment_cutout": 0.5}], ids=str)
def test_each_kind_of_augmentation_changes_losses(options: dict[str, Any]) -> None:
    recipe = SYSTEMS["auto_write"]
    different = changed(with_stabilizers(recipe, **options), logs_of(systems.make(recipe), recipe))
    assert any(name.startswith("generator/") for name in different)
    assert any(not name.startswith("generator/") for name in different)


def test_ma_gp_can_be_a_separate_update() -> None:
    recipe = dataclasses.replace(SYSTEMS["gan_cls"], ma_gp_weight=2.0, ma_gp_update="separate")
    gan = systems.make(recipe)
    parts = logs_of(gan, recipe)
    assert parts["penalty/ma_gp"] > 0
    assert "discriminator/ma_gp" not in parts
    phase = Phase(penalty_factor=0.0)
    assert "penalty/ma_gp" not in gan.train_step(systems.some_batch(recipe), phase)


@pytest.mark.parametrize("name", ["df_gan", "auto_write", "img_txt"])
def test_lazy_penalties_are_scaled_by_their_interval_and_skipped_in_between(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(SYSTEMS[name], r1_weight=1.0, r2_weight=0.5)
    if name != "auto_write":
        recipe = dataclasses.replace(recipe, ma_gp_weight=2.0)
    always = logs_of(systems.make(recipe), recipe)
    every = dataclasses.replace(recipe, penalty_every=3)
    gan = systems.make(every)
    lazy = logs_of(gan, every)
    with monkeypatch.context() as patch:
        patch.setattr(penalties, "input_gradients", without_gradients)
        without = logs_of(gan, every, phase=Phase(penalty_factor=0.0))
    scaled = {part for part in always if part.endswith(("/r1", "/r2", "/ma_gp"))}
    assert len(scaled) == (2 if name == "auto_write" else 3)
    for part, value in always.items():
        assert lazy[part] == pytest.approx((3 if part in scaled else 1) * value, rel=1e-4)
        assert without.get(part, 0.0) == pytest.approx(0 if part in scaled else value, abs=1e-5)


def test_a_step_without_the_generator_does_not_differentiate_its_loss() -> None:
    recipe = SYSTEMS["auto_write"]
    gan = systems.make(recipe)
    parts = gan.train_step(systems.some_batch(recipe), Phase(updates_generator=False))
    assert {name.split("/")[0] for name in parts} == {"real", "fake"}


def test_disabled_stabilizers_add_no_layers_and_no_state() -> None:
    gan = systems.make(SYSTEMS["df_gan"])
    assert gan.adaptive is None
    assert gan.schedule.phases == (Phase(),)
    assert not normalized_layers(gan.image_features, gan.head)
    image = systems.some_batch(SYSTEMS["df_gan"])["image"]
    noise = systems.noise("it")
    assert gan.augmented(image, noise, "real") is image


def test_generator_is_updated_only_after_every_discriminator_steps() -> None:
    recipe = dataclasses.replace(
        SYSTEMS["auto_write"],
        warm_up_steps=0,
        r1_weight=1.0,
        discriminator_steps=2,
        penalty_every=4,
    )
    batch = systems.some_batch(recipe)
    batches = tf.data.Dataset.from_tensors({name: batch[name] for name in ("image", "label")})
    weights = []
    for eagerly in (True, False):
        gan = systems.make(recipe)
        gan.compile(
            optimizers=gan.make_optimizers(systems.IMAGES_PER_EPOCH),
            run_eagerly=eagerly,
            steps_per_execution=4,
        )
        history = gan.fit(batches.repeat(), epochs=1, steps_per_epoch=4, verbose=0).history
        assert int(gan.optimizers["generator"].iterations) == 2
        assert int(gan.optimizers["real"].iterations) == 4
        assert history["real/r1"][0] > 0  # Only the fourth step has the penalty.
        weights.append(systems.values(gan.trainable_variables))
        moved = systems.values(gan.generator.trainable_variables)
        history = gan.fit(batches.repeat(), epochs=1, steps_per_epoch=1, verbose=0).history
        assert int(gan.step) == 5
        assert systems.same(moved, systems.values(gan.generator.trainable_variables))
        assert history.get("generator/loss", [0.0]) == [0.0]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_discriminator_updates_run_power_iterations_that_keep_singular_values_at_1() -> None:
    # At a higher rate the largest singular value soon has another direction.
    recipe = dataclasses.replace(
        SYSTEMS["df_gan"],
        loss="hinge",
        mismatch_weight=0.0,
        discriminator_spectral_norm=True,
        discriminator_learning_rate=1e-5,
    )
    gan = systems.make(recipe)
    layers = normalized_layers(gan.image_features, gan.head)
    assert len(layers) == 10 + 4
    before = [layer.direction.numpy() for layer in layers]
    kernels = systems.values(layer.kernel for layer in layers)
    for _ in range(2):
        gan.train_step(systems.some_batch(recipe))
    assert systems.none_same([layer.direction.numpy() for layer in layers[:1]], before[:1])
    assert systems.none_same(systems.values(layer.kernel for layer in layers), kernels)
    for layer in layers:
        kernel = tf.reshape(layer.normalized_kernel(training=False), [-1, layer.kernel.shape[-1]])
        assert np.linalg.svd(kernel, compute_uv=False)[0] == pytest.approx(1.0, abs=0.1)


def test_augmentation_probability_adapts_to_the_sign_of_real_logits() -> None:
    recipe = dataclasses.replace(
        SYSTEMS["auto_write"], augment_color=True, ada_target=0.6, ada_images=64, warm_up_steps=0
    )
    gan = systems.make(recipe)
    gan.discriminator.logit.bias.assign([5.0])  # Every logit is positive.
    logs = [gan.train_step(systems.some_batch(recipe)) for _ in range(5)]
    assert float(logs[0]["real/real_sign"]) == 1.0
    assert [float(it["augment/probability"]) for it in logs] == pytest.approx([0] * 3 + [0.5] * 2)
    relativistic = dataclasses.replace(SYSTEMS["df_gan"], augment_color=True, ada_target=0.6)
    parts = logs_of(systems.make(relativistic), relativistic)
    assert -1.0 <= parts["discriminator/real_sign"] <= 1.0
