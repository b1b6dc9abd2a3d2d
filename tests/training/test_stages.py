"""StackGAN's two stages: stage II loads stage I, keeps it frozen, and refuses others."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from tests import digits
from tests.contract.runs import start
from tests.tiny import TINY, VARIANTS
from tfgan2.program import UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.pretrained import load_pretrained_text_encoder
from tfgan2.runs.sampling import load_sampler

STAGE_TWO = VARIANTS["stack_gan-stage_two"]
STAGE_ONE = dataclasses.replace(
    STAGE_TWO, seed=5, stage=1, image_size=16, max_words=5, freeze_text_encoder=False
)


@pytest.fixture(scope="module")
def large(digits_file: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The tiny digits at 64 px."""
    target = tmp_path_factory.mktemp("large") / "digits"
    digits.prepare(digits_file, target, image_size=64)
    return target


@pytest.fixture(scope="module")
def stage_one(large: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return start(STAGE_ONE, large, tmp_path_factory.mktemp("one") / "run", steps=2)


@pytest.fixture(scope="module")
def stage_two(
    large: pathlib.Path, stage_one: RunDirectory, tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    """A run of one step; the copy of stage I that it was started with is deleted."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(stage_one.path, folder / "one")
    recipe = dataclasses.replace(STAGE_TWO, freeze_text_encoder=False)
    run = start(recipe, large, folder / "run", stage1_run_dir=folder / "one")
    shutil.rmtree(folder / "one")
    return run


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other) > 0
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_stage_two_loads_the_ema_weights_of_stage_one_and_keeps_them(
    stage_one: RunDirectory, stage_two: RunDirectory
) -> None:
    one, two = load_sampler(stage_one)[0], load_sampler(stage_two)[0]
    two.generator.stage_one.trainable = True  # Keras lists frozen weights in another order.
    assert_same(one.generator.get_weights(), two.generator.stage_one.get_weights())
    text_encoder = load_pretrained_text_encoder(stage_one.path).encoder
    assert_same(text_encoder.get_weights(), two.text_encoder.get_weights())
    assert stage_two.vocabulary_file.read_bytes() == stage_one.vocabulary_file.read_bytes()


def test_configuration_names_the_stage_one_run(
    stage_one: RunDirectory, stage_two: RunDirectory
) -> None:
    config = stage_two.read_config()
    assert config.stage_one == str(stage_two.path.parent / "one")
    assert config.text_encoder["run"] == config.stage_one
    assert config.recipe.freeze_text_encoder
    first = dataclasses.replace(STAGE_ONE, word_rules="unicode")
    assert recipes.text_options(config.recipe) == recipes.text_options(first)
    assert stage_one.read_config().stage_one is None


def test_stage_two_samples_both_stages_from_one_seed(stage_two: RunDirectory) -> None:
    sampler, _, _ = load_sampler(stage_two)
    drawn = sampler.sample(["the digit 3", "the digit 3"], [4, 4], 0.0).images
    assert drawn.shape == (2, 64, 64, 1)
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_stage_two_resumes_without_the_stage_one_run(
    stage_one: RunDirectory, stage_two: RunDirectory, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory.existing(shutil.copytree(stage_two.path, tmp_path / "run"))
    start(STAGE_TWO, large, run.path, steps=2)
    assert [path[-6:] for path in checkpoint.find(run.checkpoints)] == ["ckpt-2", "ckpt-1"]
    before, after = load_sampler(stage_two)[0], load_sampler(run)[0]
    for sampler in (before, after):
        sampler.generator.stage_one.trainable = True
    kept = before.generator.stage_one.get_weights()
    assert_same(kept, after.generator.stage_one.get_weights())
    assert_same(before.text_encoder.get_weights(), after.text_encoder.get_weights())
    pairs = zip(before.generator.get_weights(), after.generator.get_weights(), strict=True)
    assert any((one != other).any() for one, other in pairs)


def test_run_without_a_checkpoint_needs_stage_one_again(
    stage_one: RunDirectory, stage_two: RunDirectory, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(stage_two.path, tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").glob("c*"):
        path.unlink()
    with pytest.raises(UsageError, match="--stage1_run_dir: must be given until the run has a ch"):
        start(STAGE_TWO, large, tmp_path / "run")
    start(STAGE_TWO, large, tmp_path / "run", stage1_run_dir=stage_one.path)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"image_size": 128}, "--image_size: must be 64, 4 times that of stage 1, got 128"),
        ({"latent_size": 9}, "--latent_size: must be 8 as in stage 1, got 9"),
        ({"conditioning_size": 5}, "--conditioning_size: must be 4 as in stage 1, got 5"),
        ({"generator_channels": 8}, "--generator_channels: must be 4 as in stage 1, got 8"),
        ({"generator_form": "rdn"}, "--generator_form: must be tensorflow as in stage 1, got rdn"),
        ({"faithful": True}, "--faithful: must be False as in stage 1, got True"),
        ({"stage": 1}, "--stage1_run_dir: must be left out but for stack_gan's stage 2"),
        ({"model": "df_gan"}, "--stage1_run_dir: must be left out but for stack_gan's stage 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_stage_two_that_does_not_match_its_stage_one_is_refused(
    changes: dict, rule: str, stage_one: RunDirectory, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(STAGE_TWO, **changes)
    with pytest.raises(UsageError, match=rule):
        start(recipe, large, tmp_path / "run", stage1_run_dir=stage_one.path)
    assert not (tmp_path / "run").exists()


def test_other_runs_are_refused_as_stage_one(
    run: RunDirectory,
    stage_two: RunDirectory,
    large: pathlib.Path,
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    for other, value in (
        (run.path, "must be a run of stack_gan's stage 1, got paired_gan, stage 1"),
        (stage_two.path, "must be a run of stack_gan's stage 1, got stack_gan, stage 2"),
        (data_dir, "must be a run, with a config.json"),
    ):
        with pytest.raises(UsageError, match=f"--stage1_run_dir: {value}"):
            start(STAGE_TWO, large, tmp_path / "run", stage1_run_dir=other)
    assert not (tmp_path / "run").exists()


def test_stage_two_refuses_a_text_encoder_of_its_own(
    stage_one: RunDirectory, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    runs = {"stage1_run_dir": stage_one.path, "text_encoder": stage_one.path}
    with pytest.raises(UsageError, match="--text_encoder: must be left out for stage 2"):
        start(STAGE_TWO, large, tmp_path / "run", **runs)


def test_stage_two_without_a_stage_one_is_refused(
    large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError):
        start(STAGE_TWO, large, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_text_encoder_of_stage_one_can_be_loaded_by_another_system(
    stage_one: RunDirectory, large: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(TINY["gan_cls"], freeze_text_encoder=True)
    run = start(recipe, large, tmp_path / "run", text_encoder=stage_one.path)
    loaded = load_pretrained_text_encoder(stage_one.path).encoder
    assert_same(loaded.get_weights(), load_sampler(run)[0].text_encoder.get_weights())
