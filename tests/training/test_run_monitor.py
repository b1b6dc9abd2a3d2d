"""Planted failures give warnings, healthy runs give none; logs and TensorBoard data of a run."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.contract.runs import eagerly, train_to, without_sample_grids
from tests.tiny import QUICK, TINY
from tfgan2.data import pipeline
from tfgan2.program import Failure, UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import find
from tfgan2.runs.directory import RunDirectory
from tfgan2.training import callbacks, health, run_monitor, step_timer, trainer
from tfgan2.training.periodic import within_caption_deviation

RECIPE = dataclasses.replace(QUICK, batch_size=4)
STEPS = 100


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Checks a run after every second step; steps run eagerly."""
    monkeypatch.setattr(run_monitor, "WINDOW_STEPS", 2)
    monkeypatch.setattr(health, "FROM_STEP", 4)
    with eagerly(), without_sample_grids():
        yield


def start(
    data_dir: pathlib.Path,
    run_dir: pathlib.Path,
    *,
    recipe: recipes.Recipe = RECIPE,
    **options: Any,
) -> trainer.Outcome:
    options = {"steps": STEPS, "checkpoint_every": 25, "sample_every": 50, **options}
    return train_to(recipe=recipe, data_dir=data_dir, run_dir=run_dir, **options)


def warnings_of(run_dir: pathlib.Path) -> list[str]:
    lines = RunDirectory(run_dir).metrics_file.read_text().splitlines()
    return [fields["warning"] for line in lines if "warning" in (fields := json.loads(line))]


def event_steps(folder: pathlib.Path) -> dict[str, list[int]]:
    """Steps of the TensorBoard events in a folder, by tag."""
    found: dict[str, list[int]] = {}
    for path in folder.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


def test_healthy_run_gives_no_warning_and_reports_step_times(
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step_timer, "FEWEST_TIMED_STEPS", 50)
    outcome = start(data_dir, tmp_path, histogram_every=50)
    assert warnings_of(tmp_path) == []
    assert "warning" not in capsys.readouterr().err
    done, summary = str(outcome).splitlines()
    assert done.startswith("done: step 100, checkpoint ")
    assert outcome.checkpoint == find(RunDirectory(tmp_path).checkpoints)[0]
    assert summary.startswith("100 steps in ")
    assert " images/s, " in summary
    rest = summary.partition(" seconds per step (input ")[2].rstrip(")").split(", ")
    assert [part.rpartition(" ")[0] for part in rest] == ["", "discriminator", "generator"]
    assert all(float(part.rpartition(" ")[2]) >= 0 for part in rest)

    run = RunDirectory(tmp_path)
    first = json.loads(run.metrics_file.read_text().splitlines()[0])
    assert first["step"] == 50
    assert first[run_monitor.DEVIATION] > 0
    assert first["input_seconds"] >= 0
    assert first["generator/gradient_norm"] > 0
    with Image.open(run.interpolation) as picture:
        assert picture.width > 300
    assert event_steps(run.tensorboard / "samples") == {
        "samples": [50, 100],
        "interpolation": [100],
    }
    weights = event_steps(run.tensorboard / "weights")
    assert all(steps == [50, 100] for steps in weights.values())
    assert any("generator" in tag for tag in weights)
    assert not (run.tensorboard / "warnings").exists()


def test_discriminator_rate_a_hundred_times_too_high_gives_a_warning(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = 100 * RECIPE.discriminator_learning_rate
    recipe = dataclasses.replace(RECIPE, loss="relativistic", discriminator_learning_rate=rate)
    with without_sample_grids():
        start(data_dir, tmp_path, recipe=recipe)
    assert set(warnings_of(tmp_path)) == {health.SATURATED}
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert warnings
    assert all("discriminator saturated" in line for line in warnings)
    assert all("--discriminator_learning_rate" in line for line in warnings)
    tags = event_steps(RunDirectory(tmp_path).tensorboard / "warnings")
    assert list(tags) == [health.SATURATED]


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_nan_gives_a_warning_and_ends_the_run(
    precision: str, data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.batches

    def with_nan(*args: Any, start_step: int = 0, **options: Any) -> tf.data.Dataset:
        """One NaN batch ends a run in float32; in float16 every batch must be NaN."""
        first, last = (45, 46 if precision == "float32" else 1000)
        numbers = tf.data.Dataset.counter(start_step)
        batches = tf.data.Dataset.zip(numbers, real(*args, start_step=start_step, **options))

        def poison(number: tf.Tensor, batch: dict) -> dict:
            bad = tf.logical_and(number >= first, number < last)
            return {**batch, "image": tf.where(bad, np.nan, batch["image"])}

        return batches.map(poison)

    monkeypatch.setattr(pipeline, "batches", with_nan)
    recipe = dataclasses.replace(RECIPE, precision=precision)
    with pytest.raises(Failure) as failed:
        start(data_dir, tmp_path, recipe=recipe, max_bad_steps=12)
    assert warnings_of(tmp_path) == [health.NON_FINITE]
    kept = find(RunDirectory(tmp_path).checkpoints)
    text = str(failed.value)
    assert "not finite in 12 steps in a row, up to step 57: --max_bad_steps=12" in text
    assert f"the last good checkpoint is {kept[0]}" in text
    # Step 50 saves a checkpoint, except in float32, where the weights are already NaN.
    assert kept[0].endswith("ckpt-25" if precision == "float32" else "ckpt-50")
    values = tf.train.load_checkpoint(kept[0])
    for name in values.get_variable_to_shape_map():
        value = np.asarray(values.get_tensor(name))
        assert value.dtype.kind != "f" or np.isfinite(value).all(), name


@pytest.mark.usefixtures("short_windows")
def test_generator_that_ignores_its_latent_gives_a_warning(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = callbacks.Progress.after_steps

    def collapse(self: callbacks.Progress, before: int, logs: dict) -> None:
        original(self, before, logs)
        if self.step in (4, 6, 8):  # The steps with a check.
            gan = self.model
            for network in (gan.generator, gan.average_generator):
                for variable in network.variables:
                    if variable.shape.rank == 2 and variable.shape[0] in (8, 16):
                        rows = np.arange(variable.shape[0])[:, np.newaxis] < 8
                        variable.assign(tf.where(rows, 0.0, variable))

    monkeypatch.setattr(callbacks.Progress, "after_steps", collapse)
    start(data_dir, tmp_path, steps=8)
    assert warnings_of(tmp_path) == [health.FALLING]


@pytest.mark.usefixtures("short_windows")
def test_resumed_run_remembers_the_within_caption_deviation(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spreads = iter([40.0, 30.0, 4.0, 4.0])
    monkeypatch.setattr(trainer.GeneratorWork, "deviation", lambda self: next(spreads))
    start(data_dir, tmp_path, steps=4, log_every=2)
    start(data_dir, tmp_path, steps=8, log_every=2)
    assert warnings_of(tmp_path) == [health.FALLING]


def test_mean_logs_leave_out_skipped_updates(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(
        TINY["auto_write"], warm_up_steps=0, r2_weight=0.0, discriminator_steps=2, penalty_every=4
    )
    start(data_dir, tmp_path, recipe=recipe, steps=8, log_every=1)
    lines = [
        json.loads(line) for line in RunDirectory(tmp_path).metrics_file.read_text().splitlines()
    ]
    assert [("generator/loss" in line) for line in lines] == [False, True] * 4
    assert [line["real/r1"] > 0 for line in lines] == [False, False, False, True] * 2


@pytest.mark.parametrize(
    ("changes", "schedule", "message"),
    [
        (
            {"minibatch_group": 3},
            {},
            "--minibatch_group: must divide the 4 rows that the discriminator",
        ),
        (
            {"discriminator_steps": 3},
            {"steps_per_execution": 4},
            "--steps_per_execution: must be 1 or a multiple of --discriminator_steps",
        ),
    ],
)
def test_incompatible_options_are_refused(
    changes: dict, schedule: dict, message: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=message):
        start(data_dir, tmp_path, recipe=dataclasses.replace(RECIPE, **changes), **schedule)


def test_spread_is_the_standard_deviation_within_captions() -> None:
    class Sampler:
        reads = "captions"

        def sample(self, captions: list[str], seeds: list[int], truncation: float) -> Any:
            levels = [
                100 * captions.index(it) + 10 * (seed % 2)
                for it, seed in zip(captions, seeds, strict=True)
            ]
            return type("Samples", (), {"images": np.array(levels)[:, None, None, None]})()

    # Half of the seeds are 10 grey levels brighter; captions differ by hundreds of levels.
    assert within_caption_deviation(Sampler(), ["a", "b"]) == pytest.approx(5.0)
