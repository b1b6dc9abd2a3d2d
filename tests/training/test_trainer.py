"""Training: files of a run, and its continuation."""

import dataclasses
import json
import pathlib
import shutil
import signal
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import digits
from tests.contract.runs import eagerly, train_to
from tests.tiny import QUICK
from tfgan2.data import records
from tfgan2.evaluation import measure
from tfgan2.metrics.protocol import Protocol
from tfgan2.program import UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler
from tfgan2.training import best_checkpoint, callbacks, initialization, periodic, runtime, trainer
from tfgan2.training.sample_captions import SampleCaptions

RECIPE = QUICK


def start(
    data_dir: pathlib.Path | str,
    run_dir: pathlib.Path,
    *,
    recipe: recipes.Recipe = RECIPE,
    **options: Any,
) -> trainer.Outcome:
    with eagerly():
        return train_to(options.pop("steps", 2), recipe, data_dir, run_dir, **options)


def test_run_directory_has_the_documented_files(
    run: RunDirectory, manifest: records.Manifest
) -> None:
    config = run.read_config()
    assert config.recipe == dataclasses.replace(RECIPE, word_rules="unicode")
    assert config.data["checksum"] == manifest.checksum
    assert config.versions["tensorflow"]
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert {"discriminator/loss", "generator/loss", "images_per_second"} <= lines[0].keys()
    assert run.sample_grid(2).name == "step_00000002.png"
    with Image.open(run.sample_grid(2)) as picture:
        assert picture.width > 300
    assert list(run.tensorboard.iterdir())
    assert run.vocabulary_file.read_text().splitlines() == list(manifest.vocabulary)


def test_training_from_another_file_system_computes_the_same_steps(
    run: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    remote = "ram://trainer/data"
    tf.io.gfile.makedirs(remote)
    for path in data_dir.iterdir():
        if path.is_file():
            tf.io.gfile.copy(str(path), f"{remote}/{path.name}", overwrite=True)
    assert start(remote, tmp_path / "run", log_every=1).step == 2
    losses = [
        [json.loads(line)["generator/loss"] for line in file.read_text().splitlines()]
        for file in (run.metrics_file, RunDirectory.at(tmp_path / "run").metrics_file)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)  # Sums differ in their order.


def modified(run: RunDirectory) -> dict[pathlib.Path, int]:
    """The times of the last change of the run's files."""
    files = {path for path in run.path.rglob("*") if path.is_file()} - {run.lock_file}
    return {path: path.stat().st_mtime_ns for path in files}


def test_run_at_its_goal_is_left_unchanged(run: RunDirectory, data_dir: pathlib.Path) -> None:
    before = modified(run)
    outcome = start(data_dir, run.path)
    assert outcome.step == outcome.goal == 2
    assert modified(run) == before


def test_different_recipe_is_refused_with_its_differing_fields(
    run: RunDirectory, data_dir: pathlib.Path
) -> None:
    other = dataclasses.replace(RECIPE, latent_size=9)
    with pytest.raises(UsageError, match=r"same recipe \(latent_size 8\), got latent_size 9"):
        start(data_dir, run.path, recipe=other)


def test_different_data_set_is_refused(
    run: RunDirectory, data_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records.Manifest, "checksum", "f" * 64)
    rule = "--data_dir: must be the run's data set .*start a new run with --init_from="
    with pytest.raises(UsageError, match=rule):
        start(data_dir, run.path)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"image_size": 64}, "--image_size: must be at most the 32 px"),
        ({"batch_size": 141}, "--batch_size: must be at most the 140 images"),
    ],
    ids=["image_size", "batch_size"],
)
def test_recipe_that_does_not_fit_the_data_is_refused(
    changes: dict[str, int], rule: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=rule):
        start(data_dir, tmp_path / "run", recipe=dataclasses.replace(RECIPE, **changes))
    assert not (tmp_path / "run").exists()


def test_auto_precision_is_resolved_once(
    run: RunDirectory, manifest: records.Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    automatic = dataclasses.replace(RECIPE, precision="auto", word_rules="unicode")
    monkeypatch.setattr(runtime, "resolve_precision", lambda name: "mixed_bfloat16")
    new_run = initialization.NewRun(
        samples=SampleCaptions(()),
        texts=None,
        text_encoder=None,
        stage_one=None,
        word_vectors=None,
    )
    joined = initialization.begin_or_join(run, automatic, manifest, new_run)
    assert joined.precision == "float32"  # The precision of the run, not of this machine.


@pytest.mark.parametrize("name", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_given_precision_is_kept(name: str) -> None:
    assert runtime.resolve_precision(name) == name
    assert runtime.resolve_precision("auto") in recipes.PRECISIONS[1:]


def test_epoch_is_one_pass_over_the_train_split() -> None:
    assert trainer.Goal(epochs=2.5).in_steps(images=70, batch_size=8) == 22
    assert trainer.Goal(steps=3).in_steps(images=70, batch_size=8) == 3


def test_signal_saves_a_checkpoint_at_the_next_step_and_the_run_resumes(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = callbacks.Progress.after_steps

    def interrupt(self: callbacks.Progress, before: int, logs: dict) -> None:
        original(self, before, logs)
        if self.step == 3:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(callbacks.Progress, "after_steps", interrupt)
    outcome = start(data_dir, tmp_path / "run", steps=50)
    assert outcome.step == 3
    assert outcome.checkpoint.endswith("ckpt-3")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_periodic_work_runs_at_its_interval_and_at_the_end() -> None:
    done = []
    every = callbacks.Every(done.append, every=4)
    gan = type("Model", (), {"step": tf.Variable(0)})()
    every.set_model(gan)
    every.on_train_begin()
    for step in (3, 6, 9, 10):  # Steps of several per execution.
        gan.step.assign(step)
        every.on_train_batch_end(0)
    every.on_train_end()
    assert done == [6, 9, 10]


def test_damaged_lines_of_the_log_are_left_out(tmp_path: pathlib.Path) -> None:
    run = RunDirectory(tmp_path)
    run.drop_metrics_after(2)
    lines = [b'{"step": 1}', b'{"st', b"\xff\x00", b"[]", b"7", b"", b'{"step": 2}', b'{"step": 3}']
    run.metrics_file.write_bytes(b"\n".join([*lines, b'{"step": 2, "cut']))
    assert [fields["step"] for _, fields in run.metrics()] == [1, 2, 3]
    run.drop_metrics_after(2)
    assert run.metrics_file.read_bytes() == b'{"step": 1}\n{"step": 2}\n'


def test_sheets_and_logs_that_cannot_be_written_are_warnings(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(data_dir, tmp_path / "run", steps=1)
    run = RunDirectory.existing(tmp_path / "run")
    # Places that cannot be written: a file in place of a folder, and the other way round.
    for folder in (run.samples, run.tensorboard):
        shutil.rmtree(folder, ignore_errors=True)
        folder.touch()
    for file in (run.metrics_file, run.interpolation, run.animation):
        file.unlink(missing_ok=True)
        file.mkdir()
    capsys.readouterr()
    outcome = start(data_dir, run.path, steps=3, log_every=1, sample_every=1)
    assert outcome.step == 3
    assert checkpoint.find(run.checkpoints)[0].endswith("ckpt-3")
    lines = capsys.readouterr().err.splitlines()
    warnings = [line for line in lines if line.startswith("warning: ")]
    for name in (
        "the sample grid of step 2",
        str(run.metrics_file),
        "the event file",
        "interpolation.png",
    ):
        assert any(name in line and " cannot be written: " in line for line in warnings), name
    assert run.samples.is_file()


@pytest.mark.usefixtures("classifier")
def test_evaluation_during_training_writes_a_line(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "EVALUATION_SAMPLES", 140)
    start(data_dir, tmp_path / "run", evaluate_every=2)
    (line,) = RunDirectory.existing(tmp_path / "run").evaluations_file.read_text().splitlines()
    fields = json.loads(line)
    names = ("agreement", "diversity", "kid")
    references = {"agreement_shuffled", "agreement_real"} | {f"{name}_blurred" for name in names}
    assert fields["metrics"].keys() == {*names} | references
    wanted = {"features", "resize", "split", "real_images", "samples", "captions_per_image"}
    wanted |= {"truncation", "seed", "checkpoint", "precision", "versions", "data", "counting"}
    assert fields["protocol"].keys() == wanted
    assert fields["protocol"]["samples"] == 140
    shown = curves(tmp_path / "run" / "tensorboard" / "evaluation")
    for name, result in fields["metrics"].items():
        assert shown[name] == {2: pytest.approx(result["value"], rel=1e-6)}


def curves(folder: pathlib.Path) -> dict[str, dict[int, float]]:
    """TensorBoard scalars: values by step, by name."""
    found: dict[str, dict[int, float]] = {}
    for path in folder.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, {})[event.step] = number
    return found


def test_mirrored_uses_all_devices_and_auto_one_without_gpus(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    strategy = runtime.make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    assert runtime.make_strategy("auto").num_replicas_in_sync == 1
    uneven = dataclasses.replace(RECIPE, batch_size=7)
    with pytest.raises(UsageError, match="--batch_size: must be a multiple of 2 replicas"):
        start(data_dir, tmp_path / "run", recipe=uneven, strategy="mirrored")
    assert not (tmp_path / "run").exists()


def test_data_set_without_test_images_allows_training_but_no_evaluation(
    digits_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    digits.prepare(digits_file, tmp_path / "data", image_size=32, test_fraction=0.0)
    start(tmp_path / "data", tmp_path / "run", steps=1)
    run = RunDirectory.existing(tmp_path / "run")
    with pytest.raises(UsageError, match="--data_dir: must have images in its test split"):
        measure.evaluate_run(
            load_sampler(run)[0],
            checkpoint="",
            recipe=RECIPE,
            data_dir=tmp_path / "data",
            metrics=None,
            protocol=Protocol(samples=2, seed=0, truncation=0.0),
        )


def test_best_checkpoint_is_kept_beside_the_newest(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([3.0, 1.0, 2.0])

    def evaluate(*args: object, **options: object) -> dict:
        return {"metrics": {"kid": {"value": next(values)}}}

    monkeypatch.setattr(measure, "evaluate_run", evaluate)
    options = {"evaluate_every": 2, "keep_best": "kid", "keep_checkpoints": 1}
    recipe = dataclasses.replace(RECIPE, no_ema=True)
    start(data_dir, tmp_path / "run", recipe=recipe, steps=6, **options)
    run = RunDirectory.existing(tmp_path / "run")
    assert [path[-6:] for path in checkpoint.find(run.checkpoints)] == ["ckpt-6"]
    sampler, _, path = load_sampler(run, checkpoint="best")
    assert path == str(run.best_checkpoint / "ckpt-4")
    assert load_sampler(run)[2] == str(run.checkpoints / "ckpt-6")

    # Without EMA, sampling uses the live weights.
    saved = tf.train.load_checkpoint(path)
    suffix = ".ATTRIBUTES/VARIABLE_VALUE"
    live = saved.get_tensor(f"gan/generator/first/kernel/{suffix}")
    np.testing.assert_array_equal(sampler.generator.first.kernel.numpy(), live)


@pytest.mark.parametrize(
    ("metric", "values", "kept"),
    [
        ("agreement", [0.5, 0.9, 0.8], 0.9),
        ("diversity", [1.4, 0.5, 0.9], 0.9),
        ("kid", [2.0, 1.0, 3.0], 1.0),
        ("none", [1.0], None),
    ],
)
def test_best_checkpoint_has_the_best_value_of_its_metric(
    metric: str, values: list[float], kept: float | None, tmp_path: pathlib.Path
) -> None:
    gan = tf.train.Checkpoint(step=tf.Variable(1))
    keeper = best_checkpoint.Best(gan, RunDirectory(tmp_path), metric=metric)
    for value in values:
        keeper.consider({metric: {"value": value}})
    found = RunDirectory(tmp_path).best_checkpoint / "evaluation.json"
    assert (json.loads(found.read_text())[metric] if found.exists() else None) == kept
