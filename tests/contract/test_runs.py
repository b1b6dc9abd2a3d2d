"""What every run promises: it saves, resumes exactly, and its export answers as it did."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.contract.cases import CAPTIONED_CASES, SYSTEMS
from tests.contract.games import draw, leave_start, make_batches, make_gan, make_tokenizer, train
from tfgan2.data import records
from tfgan2.export import saved_model
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import RunDirectory
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


def test_resumes_exactly(
    recipe: recipes.Recipe, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    check_resuming(recipe, data_dir, tmp_path)


@pytest.mark.parametrize("recipe", SYSTEMS)  # A loss scale is none of the network's.
def test_resumes_exactly_in_mixed_float16(
    recipe: recipes.Recipe, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    check_resuming(dataclasses.replace(recipe, precision="mixed_float16"), data_dir, tmp_path)


def check_resuming(recipe: recipes.Recipe, data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    whole = saved_values(train(recipe, data_dir, tmp_path / "whole", steps=4))
    train(recipe, data_dir, tmp_path / "halves", steps=2)
    run = train(recipe, data_dir, tmp_path / "halves", steps=4)
    halves = saved_values(run)
    assert whole.keys() == halves.keys()
    assert any("optimizers" in name and "_variables" in name for name in whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(value, halves[name], err_msg=name)


def test_what_samples_is_float32(trained: RunDirectory) -> None:
    sampler, _, checkpoint = load_sampler(trained)
    assert checkpoint.endswith("ckpt-2")
    networks = [it for it in sampler.submodules if isinstance(it, keras.Model)]
    assert {network.compute_dtype for network in networks} == {"float32"}


def test_saves_and_restores(
    recipe: recipes.Recipe,
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tmp_path: pathlib.Path,
) -> None:
    tokenizer = make_tokenizer(recipe, tmp_path, manifest)
    run = RunDirectory.at(tmp_path / "run")
    gan = make_gan(recipe, tokenizer, run_eagerly=True)
    gan.fit(make_batches(recipe, data_dir, manifest, tokenizer), steps_per_epoch=1, verbose=0)
    Checkpoints(gan, run.checkpoints, keep=1).save()
    other = make_gan(dataclasses.replace(recipe, seed=99), tokenizer)
    assert Checkpoints(other, run.checkpoints, keep=1).restore()
    for ours, theirs in zip(other.get_weights(), gan.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(other.step) == 1


@pytest.mark.parametrize("drawing_recipe", CAPTIONED_CASES, indirect=True)
def test_the_export_answers_as_in_python(trained: RunDirectory, tmp_path: pathlib.Path) -> None:
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
    # Characters know every word that is written in ASCII.
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


def test_the_same_row_whatever_the_batch(
    trained: RunDirectory,
) -> None:
    sampler, _, _ = load_sampler(trained)
    alone = draw(sampler, ["the digit 3"], [5], [0.7])
    others = ["a " * 50_000, "", b"\xff\xfe", *CAPTIONS] + ["the digit 3"] * 7
    seeds = [*range(100, 100 + len(others) - 1), 5]
    crowd = draw(sampler, others, seeds, [0.3] * (len(others) - 1) + [0.7])
    assert np.abs(alone[0] - crowd[-1]).max() <= 1


def test_seeds_draw_different_pictures(
    trained: RunDirectory,
) -> None:
    sampler, _, _ = load_sampler(trained)
    leave_start(sampler.generator)
    pictures = draw(sampler, ["the digit 3"] * 3, [0, 1, 2**31 - 1], [1.0] * 3)
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])
