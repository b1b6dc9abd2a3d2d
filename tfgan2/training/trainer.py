"""Puts a run together, from a recipe and a data set, and calls `fit`."""

import dataclasses
import os

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.sampler import Sampler
from tfgan2.data import pipeline, records
from tfgan2.metrics.evaluate import Protocol
from tfgan2.program import UsageError, write_file
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.sampling import make_tokenizer
from tfgan2.text import tokenizers
from tfgan2.training import callbacks, evaluation, runtime
from tfgan2.training.sheets import sheet

SHEET_CAPTIONS = 10
SHEET_SEEDS = 8
EVALUATION_SAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Goal:
    """Where a run ends: at a step, or after so many passes over the train split."""

    steps: int | None = None
    epochs: float | None = None

    def in_steps(self, *, images: int, batch_size: int) -> int:
        """The goal in steps, for a train split of so many images."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 0.0) * images / batch_size))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a start of a run ended: its step, whether its goal is reached, the last checkpoint."""

    step: int
    goal: int
    checkpoint: str | None


def train(
    recipe: recipes.Recipe,
    schedule: recipes.Schedule,
    *,
    data_dir: str | os.PathLike,
    run_dir: str | os.PathLike,
    goal: Goal,
    strategy: str,
) -> Outcome:
    """Trains to the goal, from the newest checkpoint on if there is one.

    Args:
      recipe: what defines the run; `auto` precision takes that of the run, if it has begun.
      schedule: how often what is done.
      data_dir: a data set that tools.prepare wrote.
      run_dir: absent, empty, or an earlier start of the same run.
      goal: where the run ends; it may be another at the next start.
      strategy: `auto`, `one_device` or `mirrored`.

    Raises:
      UsageError: the data set or the run directory is not what it must be.
    """
    manifest = records.load_manifest(data_dir)
    recipes.model_class(recipe)
    _check_data(manifest, recipe)
    if schedule.evaluate_every and len(manifest.label_names) < 2:
        rule = "must be 0 for a data set without labels"
        raise UsageError("--evaluate_every", rule, schedule.evaluate_every)
    runtime.quieten_graph_optimizer()
    distribution = runtime.make_strategy(strategy)
    replicas = distribution.num_replicas_in_sync
    if recipe.batch_size % replicas:
        rule = f"must be a multiple of {replicas} replicas"
        raise UsageError("--batch_size", rule, recipe.batch_size)
    run = RunDirectory.at(run_dir)
    split = "test" if manifest.records("test") else "train"
    captions = sheet_captions(
        pipeline.examples(data_dir, manifest, split=split, view=recipes.view(recipe), limit=200)
    )
    recipe = begin_or_join(run, recipe, manifest, captions)
    steps = goal.in_steps(images=manifest.records("train"), batch_size=recipe.batch_size)

    keras.utils.set_random_seed(recipe.seed)
    tokenizer = make_tokenizer(run, recipe)
    with distribution.scope():
        gan = recipes.build_model(
            recipe,
            image_channels=manifest.channels,
            vocabulary_size=tokenizer.vocabulary_size,
            dtype=recipe.precision,
        )
        gan.compile(optimizers=recipes.make_optimizers(recipe))
    checkpoints = Checkpoints(gan, run, keep=schedule.keep_checkpoints)
    checkpoints.restore()
    start = int(gan.step.numpy())
    if start < steps:
        batches = pipeline.batches(
            data_dir,
            manifest,
            split="train",
            batch_size=recipe.batch_size,
            view=recipes.view(recipe),
            seed=recipe.seed,
            start_step=start,
            cache_mb=schedule.cache_mb,
        )
        sampler = gan.sampler(tokenizer, truncation=recipe.truncation)
        gan.fit(
            tokenized(batches, tokenizer).prefetch(tf.data.AUTOTUNE),
            steps_per_epoch=steps - start,
            epochs=1,
            verbose=0,
            callbacks=[
                callbacks.Progress(goal=steps, batch_size=recipe.batch_size),
                callbacks.MetricsLog(
                    run, log_every=schedule.log_every, batch_size=recipe.batch_size
                ),
                *_regular_work(run, recipe, schedule, checkpoints, sampler, data_dir),
                callbacks.LeaveOnSignal(),
            ],
        )
    return Outcome(int(gan.step.numpy()), steps, checkpoints.latest)


def begin_or_join(
    run: RunDirectory, recipe: recipes.Recipe, manifest: records.Manifest, captions: list[str]
) -> recipes.Recipe:
    """Writes config.json and the vocabulary of a new run, or checks that an old one is the same.

    Returns:
      The recipe with its precision resolved.

    Raises:
      UsageError: the directory holds a run of another recipe or data set.
    """
    if not run.config_file.exists():
        recipe = dataclasses.replace(recipe, precision=runtime.resolve_precision(recipe.precision))
        tokenizers.write_vocabulary(run.vocabulary_file, manifest.vocabulary)
        data = {
            "source": manifest.source,
            "checksum": manifest.checksum,
            "licence": manifest.licence,
            "channels": manifest.channels,
            "example_captions": captions,
        }
        run.write_config(Config(recipe=recipe, data=data, versions=runtime.versions()))
        return recipe
    config = run.read_config()
    if recipe.precision == "auto":
        recipe = dataclasses.replace(recipe, precision=config.recipe.precision)
    different = recipe.differences(config.recipe)
    if different:
        there = ", ".join(f"{name} {getattr(config.recipe, name)}" for name in different)
        here = ", ".join(f"{name} {getattr(recipe, name)}" for name in different)
        raise UsageError("--run_dir", f"must hold a run of the same recipe ({there})", here)
    if manifest.checksum != config.data["checksum"]:
        rule = (
            f"must be the run's data set ({config.data['source']} {config.data['checksum'][:12]})"
        )
        raise UsageError("--data_dir", rule, f"{manifest.source} {manifest.checksum[:12]}")
    return recipe


def tokenized(dataset: tf.data.Dataset, tokenizer: tokenizers.WordTokenizer) -> tf.data.Dataset:
    """Puts ids and lengths in the place of caption strings."""

    def tokenize(batch: dict[str, tf.Tensor]) -> dict[str, object]:
        def ids(captions: tf.Tensor) -> dict[str, tf.Tensor]:
            tokens = tokenizer(captions)
            return {"ids": tokens["ids"], "length": tokens["length"]}

        return {
            "image": batch["image"],
            "tokens": ids(batch["caption"]),
            "mismatched_tokens": ids(batch["mismatched_caption"]),
        }

    return dataset.map(tokenize)


def sheet_captions(examples: pipeline.Examples) -> list[str]:
    """Picks captions for a sheet: one of every label where there are labels, else the first."""
    _, rows = np.unique(examples.label, return_index=True)
    if len(rows) < 2:
        rows = np.arange(len(examples.label))
    return [examples.captions[row][0] for row in rows[:SHEET_CAPTIONS]]


def draw_sheet(sampler: Sampler, captions: list[str]) -> bytes:
    """Draws captions with the seeds 0, 1, ... as a sheet: PNG bytes."""
    seeds = list(range(SHEET_SEEDS))
    rows = [
        sampler.pixels(
            tf.fill([SHEET_SEEDS], caption), tf.constant(seeds, tf.int64), tf.zeros([SHEET_SEEDS])
        ).numpy()
        for caption in captions
    ]
    return sheet(np.stack(rows), captions, seeds)


def _check_data(manifest: records.Manifest, recipe: recipes.Recipe) -> None:
    if recipe.image_size > manifest.image_size:
        rule = f"must be at most the {manifest.image_size} px of the data set"
        raise UsageError("--image_size", rule, recipe.image_size)
    if recipe.batch_size > manifest.records("train"):
        rule = f"must be at most the {manifest.records('train')} images of the train split"
        raise UsageError("--batch_size", rule, recipe.batch_size)


def _regular_work(
    run: RunDirectory,
    recipe: recipes.Recipe,
    schedule: recipes.Schedule,
    checkpoints: Checkpoints,
    sampler: Sampler,
    data_dir: str | os.PathLike,
) -> list[callbacks.Every]:
    captions = run.read_config().data["example_captions"]

    def write_sheet(step: int) -> None:
        write_file(run.sample_sheet(step), draw_sheet(sampler, captions))

    def save(step: int) -> None:
        checkpoints.save()

    def evaluate(step: int) -> None:
        evaluation.evaluate_run(
            run,
            sampler,
            checkpoint=f"step {step}",
            view=recipes.view(recipe),
            data_dir=data_dir,
            metrics=None,
            protocol=Protocol(samples=EVALUATION_SAMPLES, seed=recipe.seed, truncation=0.0),
        )

    work = [
        callbacks.Every(write_sheet, every=schedule.sample_every),
        callbacks.Every(save, every=schedule.checkpoint_every),
    ]
    if schedule.evaluate_every:
        work.append(callbacks.Every(evaluate, every=schedule.evaluate_every))
    return work
