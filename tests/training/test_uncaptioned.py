"""Runs of unconditional systems, and of joint systems that generate texts."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.contract.runs import eagerly, train_to
from tests.tiny import TINY, VARIANTS
from tfgan2.data import records
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.pretrained import load_pretrained_text_encoder
from tfgan2.runs.sampling import load_sampler
from tfgan2.training import periodic

AUTO_WRITE, IMG_TXT = TINY["auto_write"], TINY["img_txt"]


def start(
    recipe: recipes.Recipe, data_dir: pathlib.Path, run_dir: pathlib.Path, **options: Any
) -> RunDirectory:
    """Trains for two steps, with a sample grid of each."""
    options = {"steps": 2, "sample_every": 1, "log_every": 1, **options}
    with eagerly():
        train_to(recipe=recipe, data_dir=data_dir, run_dir=run_dir, **options)
    return RunDirectory.existing(run_dir)


@pytest.fixture(scope="module")
def unconditional(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return start(AUTO_WRITE, data_dir, tmp_path_factory.mktemp("auto_write") / "run")


@pytest.fixture(scope="module")
def joint(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return start(IMG_TXT, data_dir, tmp_path_factory.mktemp("img_txt") / "run")


def test_unconditional_run_has_no_vocabulary_and_logs_every_network(
    unconditional: RunDirectory,
) -> None:
    assert not unconditional.vocabulary_file.exists()
    lines = [json.loads(line) for line in unconditional.metrics_file.read_text().splitlines()]
    assert {"real/loss", "real/r1", "fake/loss", "fake/r2", "generator/loss"} <= lines[0].keys()


def test_unconditional_sample_grid_shows_one_seed_per_cell(unconditional: RunDirectory) -> None:
    sampler, _, _ = load_sampler(unconditional)
    png, texts = periodic.draw_grid(sampler, ["not read"])
    assert texts is None
    assert unconditional.sample_grid(2).read_bytes() == png
    assert not list(unconditional.samples.glob("*.txt"))
    seeds = range(periodic.UNCONDITIONAL_ROWS * periodic.GRID_SEEDS)
    drawn = sampler.sample([""] * len(seeds), seeds, 0.0)
    assert drawn.images.shape == (64, 28, 28, 1)
    with Image.open(unconditional.sample_grid(2)) as picture:
        sheet = np.asarray(picture)
    # The first seed of the second row: 28 px, enlarged twice.
    row_height = 16 + 56 + 4
    shown = sheet[row_height + 16 : row_height + 16 + 56 : 2, 4 : 4 + 56 : 2, 0]
    np.testing.assert_array_equal(shown, drawn.images[periodic.GRID_SEEDS, :, :, 0])


def test_resumed_run_extends_its_animation(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    # Live weights at a high learning rate: no two sample grids are equal.
    recipe = dataclasses.replace(IMG_TXT, no_ema=True, generator_learning_rate=0.01)
    for steps in (2, 3):
        run = start(recipe, data_dir, tmp_path / "run", steps=steps)
        with Image.open(run.animation) as picture:
            assert picture.n_frames == steps
            with Image.open(run.sample_grid(1)) as sheet:
                assert picture.size == sheet.size
    assert len(list(run.samples.glob("*.png"))) == 3


def test_joint_run_writes_the_texts_of_its_sample_grids(
    joint: RunDirectory, manifest: records.Manifest
) -> None:
    assert joint.vocabulary_file.read_text().split() == [str(n) for n in range(10)]
    config = joint.read_config()
    assert config.data["example_captions"] == [str(n) for n in range(10)]
    sampler, _, _ = load_sampler(joint)
    png, texts = periodic.draw_grid(sampler, config.data["example_captions"])
    assert joint.sample_grid(2).read_bytes() == png
    lines = joint.sample_texts(2).read_text().splitlines()
    assert lines == [f"{seed}\t{text}" for seed, text in enumerate(texts)]
    assert len(lines) == 64
    assert set(texts) <= {str(n) for n in range(10)}
    drawn = sampler.sample([""] * 64, range(64), 0.0)
    assert drawn.texts == texts


def test_joint_model_of_label_names_generates_label_names(
    data_dir: pathlib.Path, manifest: records.Manifest, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(IMG_TXT, text_source="label")
    run = start(recipe, data_dir, tmp_path / "run", steps=1)
    assert set(run.vocabulary_file.read_text().split()) == set(manifest.label_names)
    sampler, _, _ = load_sampler(run)
    assert sampler.sample(["seven"], [0], 0.0).texts == ["seven"]


def test_joint_model_of_captions_has_the_vocabulary_of_the_data(
    data_dir: pathlib.Path, manifest: records.Manifest, tmp_path: pathlib.Path
) -> None:
    run = start(VARIANTS["img_txt-captions"], data_dir, tmp_path / "run", steps=1)
    assert run.vocabulary_file.read_text().splitlines() == list(manifest.vocabulary)
    sampler, _, _ = load_sampler(run)
    assert sampler.sample(["The digit 3!"], [0], 0.0).texts == ["the digit 3"]


@pytest.mark.parametrize("recipe", [AUTO_WRITE, IMG_TXT], ids=["auto_write", "img_txt"])
def test_systems_without_captions_neither_load_nor_provide_a_text_encoder(
    recipe: recipes.Recipe,
    run: RunDirectory,
    unconditional: RunDirectory,
    joint: RunDirectory,
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    rule = f"--text_encoder: must be left out for {recipe.model}"
    with pytest.raises(UsageError, match=rule):
        start(recipe, data_dir, tmp_path / "run", text_encoder=run.path)
    assert not (tmp_path / "run").exists()
    own = {"auto_write": unconditional, "img_txt": joint}[recipe.model]
    with pytest.raises(UsageError, match="--text_encoder: must be a run that reads captions, got"):
        load_pretrained_text_encoder(own.path)
    with pytest.raises(UsageError, match="--text_encoder: must be a run that reads captions, got"):
        start(TINY["df_gan"], data_dir, tmp_path / "run", text_encoder=own.path)


@pytest.mark.parametrize("metric", ["agreement", "diversity"])
def test_keep_best_of_an_unconditional_run_refuses_caption_metrics(
    metric: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match="--keep_best: must be none or kid for auto_write, got"):
        start(AUTO_WRITE, data_dir, tmp_path / "run", keep_best=metric, evaluate_every=1)


def test_batch_of_a_replica_must_be_even_for_caption_pairs(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(TINY["gan_cls"], batch_size=7)
    with pytest.raises(UsageError, match="--batch_size: must be even on each of 1 replicas for"):
        start(recipe, data_dir, tmp_path / "run")
    recipe = dataclasses.replace(recipe, batch_size=6)
    with pytest.raises(UsageError, match="--batch_size: must be even on each of 2 replicas for"):
        start(recipe, data_dir, tmp_path / "run", strategy="mirrored")
