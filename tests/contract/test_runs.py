"""Every run saves, resumes exactly, and draws the same images after its export."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.contract.cases import (
    CAPTIONED_CASES,
    EAGER,
    GRAPHS,
    OTHERS_EAGERLY,
    RUN_CASES,
    SYSTEMS,
    Case,
)
from tests.contract.conftest import trained_run
from tests.contract.runs import draw, make_gan, make_tokenizer, perturb_weights, start, train
from tfgan2.adversarial.gan import GAN
from tfgan2.data import records
from tfgan2.export import saved_model
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import MATCHING_MODELS
from tfgan2.runs.sampling import load_sampler
from tfgan2.text.tokenizers import CharacterTokenizer

CAPTIONS = ["a handwritten seven", "", "???", "DIE ZIFFER 7", "smörgåsbord 七 🙂", "the digit 3"]


def saved_values(run: RunDirectory) -> dict[str, np.ndarray]:
    """Every value of the newest checkpoint, optimizers and step included."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run.checkpoints)))
    names = sorted(reader.get_variable_to_shape_map())
    return {
        name: reader.get_tensor(name)
        for name in names
        if "save_counter" not in name and "OBJECT_GRAPH" not in name
    }


@pytest.mark.parametrize("case", RUN_CASES)
def test_resumed_run_ends_with_the_same_checkpoint(
    case: Case,
    runs: dict[Case, RunDirectory],
    data_dir: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: pathlib.Path,
) -> None:
    whole = trained_run(case, runs, data_dir, tmp_path_factory)
    left = killed_before(2, whole, tmp_path / "left")
    check_same(whole, train(case, data_dir, left, steps=2))


@pytest.mark.parametrize("case", GRAPHS + EAGER)
def test_run_starts_with_the_networks_of_another_run(
    case: Case,
    runs: dict[Case, RunDirectory],
    data_dir: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: pathlib.Path,
) -> None:
    source = trained_run(case, runs, data_dir, tmp_path_factory)
    own = recipes.option_names(case.recipe.model)
    rates = {name: 0.0 for name in own if name.endswith("_learning_rate")}
    fixed = dataclasses.replace(case.recipe, **rates)
    tuned = start(fixed, data_dir, tmp_path / "run", init_from=source.path)
    expected, started = saved_values(source), saved_values(tuned)
    assert expected.keys() == started.keys()
    assert int(started["gan/step/.ATTRIBUTES/VARIABLE_VALUE"]) == 1
    # With rates of 0 only optimizers, averages and moving statistics change in a step.
    changing = ("optimizers", "average_", "moving_", "step", "skipped", "direction")
    same = [name for name in expected if not any(part in name for part in changing)]
    assert any("kernel" in name for name in same)
    for name in same:
        np.testing.assert_array_equal(started[name], expected[name], err_msg=name)


@pytest.mark.parametrize("case", GRAPHS + OTHERS_EAGERLY)  # The loss scale is state of its own.
def test_mixed_float16_run_resumes_exactly_and_samples_in_float32(
    case: Case, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(case.recipe, precision="mixed_float16")
    case = dataclasses.replace(case, recipe=recipe)
    # The first steps of float16 only lower the loss scale.
    whole = train(case, data_dir, tmp_path / "whole", steps=4, checkpoint_every=2)
    left = killed_before(4, whole, tmp_path / "left")
    check_same(whole, train(case, data_dir, left, steps=4, checkpoint_every=2))
    if recipe.model in MATCHING_MODELS:
        return
    sampler, _, checkpoint = load_sampler(whole)
    assert checkpoint.endswith("ckpt-4")
    networks = [it for it in sampler.submodules if isinstance(it, keras.Model)]
    assert {network.compute_dtype for network in networks} == {"float32"}


def killed_before(step: int, run: RunDirectory, path: pathlib.Path) -> pathlib.Path:
    """Copies a run without its last checkpoint, as a kill before that step leaves the run."""
    shutil.copytree(run.path, path)
    last = list((path / "checkpoints").glob(f"ckpt-{step}.*"))
    assert last
    for file in last:
        file.unlink()
    return path


def check_same(one: RunDirectory, other: RunDirectory) -> None:
    """Asserts equal values in the newest checkpoints, optimizers and step included."""
    expected, restored = saved_values(one), saved_values(other)
    assert expected.keys() == restored.keys()
    assert any("optimizers" in name and "_variables" in name for name in expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(value, restored[name], err_msg=name)


@pytest.mark.parametrize("recipe", SYSTEMS, indirect=True)
def test_checkpoint_restores_weights_and_step(
    recipe: recipes.Recipe,
    system: tuple[GAN, tf.data.Dataset],
    manifest: records.Manifest,
    tmp_path: pathlib.Path,
) -> None:
    gan, batches = system
    gan.fit(batches, steps_per_epoch=1, verbose=0)
    run = RunDirectory.at(tmp_path / "run")
    Checkpoints(gan, run.checkpoints, keep=1).save()
    other = make_gan(
        dataclasses.replace(recipe, seed=99), make_tokenizer(recipe, tmp_path, manifest)
    )
    assert Checkpoints(other, run.checkpoints, keep=1).restore()
    for ours, theirs in zip(other.get_weights(), gan.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(other.step) == 1


@pytest.mark.parametrize("drawing_case", CAPTIONED_CASES, indirect=True)
def test_export_draws_the_same_images_as_the_sampler(
    trained: RunDirectory, tmp_path: pathlib.Path
) -> None:
    sampler, config, _ = load_sampler(trained)
    captions = config.data["example_captions"]
    version = saved_model.export(sampler, tmp_path / "export", captions=captions, card={})
    signatures = tf.saved_model.load(str(version)).signatures
    caption = tf.constant(CAPTIONS)
    seed = tf.range(len(CAPTIONS), dtype=tf.int64)
    truncation = tf.constant([0.0, 1.0, 0.5, float("nan"), -1.0, 0.9])
    live = sampler.pixels(caption, seed, truncation).numpy().astype(int)
    saved = signatures["pixels"](caption=caption, seed=seed, truncation=truncation)["image"]
    assert np.abs(live - saved.numpy().astype(int)).max() <= 1

    png = signatures["generate"](caption=caption, seed=seed, truncation=truncation)
    decoded = tf.stack([tf.io.decode_png(row) for row in png["image_bytes"]]).numpy()
    assert np.abs(live - decoded.astype(int)).max() <= 1
    # The character tokenizer knows every ASCII word.
    german = 0 if isinstance(sampler.tokenizer, CharacterTokenizer) else 2
    np.testing.assert_array_equal(png["unknown_words"], [0, 0, 0, german, 2, 0])

    sentence = signatures["embed"](caption=caption)["sentence"]
    drawn = signatures["draw"](sentence=sentence, seed=seed, truncation=truncation)
    assert np.array_equal(drawn["image_bytes"].numpy(), png["image_bytes"].numpy())

    fresh = signatures["serving_default"](caption=caption)
    again = signatures["generate"](
        caption=caption, seed=fresh["seed"], truncation=tf.zeros([len(CAPTIONS)])
    )
    assert np.array_equal(fresh["image_bytes"].numpy(), again["image_bytes"].numpy())
    assert len(set(fresh["seed"].numpy())) == len(CAPTIONS)


def test_image_does_not_depend_on_its_batch(trained: RunDirectory) -> None:
    sampler, _, _ = load_sampler(trained)
    alone = draw(sampler, ["the digit 3"], [5], [0.7])
    others = ["a " * 50_000, "", b"\xff\xfe", *CAPTIONS] + ["the digit 3"] * 7
    seeds = [*range(100, 100 + len(others) - 1), 5]
    in_batch = draw(sampler, others, seeds, [0.3] * (len(others) - 1) + [0.7])
    assert np.abs(alone[0] - in_batch[-1]).max() <= 1


def test_different_seeds_draw_different_images(trained: RunDirectory) -> None:
    sampler, _, _ = load_sampler(trained)
    perturb_weights(sampler.generator)
    pictures = draw(sampler, ["the digit 3"] * 3, [0, 1, 2**31 - 1], [1.0] * 3)
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])
