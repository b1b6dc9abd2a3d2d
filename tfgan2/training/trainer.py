"""Puts a run together, from a recipe and a data set, and calls `fit`."""

import contextlib
import dataclasses
import os

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.sampler import Sampler
from tfgan2.data import pipeline, records
from tfgan2.metrics.evaluate import Protocol
from tfgan2.program import UsageError, write_file
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.sampling import make_tokenizer
from tfgan2.text import tokenizers
from tfgan2.text.tokenizers import WordTokenizer
from tfgan2.training import best, callbacks, evaluation, inputs, runtime, team
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
      strategy: `auto`, `one_device`, `mirrored` or `multi_worker`.

    Raises:
      UsageError: the data set or the run directory is not what it must be.
    """
    crew = team.gather(runtime.make_strategy(strategy))
    runtime.quieten_graph_optimizer()
    manifest = records.load_manifest(data_dir)
    recipes.model_class(recipe)
    _check_data(manifest, recipe)
    _check_schedule(manifest, schedule)
    _check_replicas(crew.strategy.num_replicas_in_sync, recipe, schedule)
    run = RunDirectory.at(run_dir)
    split = "test" if manifest.records("test") else "train"
    captions = sheet_captions(
        pipeline.examples(data_dir, manifest, split=split, view=recipes.view(recipe), limit=200)
    )
    if crew.chief:
        recipe = begin_or_join(run, recipe, manifest, captions)
    crew.wait()
    if not crew.chief:
        recipe = begin_or_join(run, recipe, manifest, captions)
    steps = goal.in_steps(images=manifest.records("train"), batch_size=recipe.batch_size)

    tokenizer = make_tokenizer(run, recipe)
    with crew.strategy.scope():
        gan = _build(recipe, schedule, manifest, tokenizer)
    saved = Checkpoints(gan, run.checkpoints, keep=schedule.keep_checkpoints)
    checkpoint = saved.restore()
    start = int(gan.step.numpy())
    if start >= steps:
        return Outcome(start, steps, checkpoint)
    crew.wait()
    bar = callbacks.Progress(goal=steps, batch_size=recipe.batch_size)
    with crew.together(), contextlib.closing(bar), crew.writable(run) as own_run:
        checkpoints = Checkpoints(gan, own_run.checkpoints, keep=schedule.keep_checkpoints)
        checkpoints.remove_unfinished()
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
        work = RegularWork(
            own_run,
            recipe,
            checkpoints=checkpoints,
            keep_best=best.Best(gan, own_run, metric=schedule.keep_best),
            sampler=sampler,
            data_dir=data_dir,
            captions=captions,
        )
        gan.fit(
            inputs.distributed(inputs.tokenized(batches, tokenizer), crew.strategy),
            steps_per_epoch=steps - start,
            epochs=1,
            verbose=0,
            callbacks=[
                bar,
                callbacks.MetricsLog(
                    own_run, log_every=schedule.log_every, batch_size=recipe.batch_size
                ),
                callbacks.Every(work.draw_sheet, every=schedule.sample_every),
                callbacks.Every(work.save, every=schedule.checkpoint_every),
                callbacks.Every(work.evaluate, every=schedule.evaluate_every),
                callbacks.LeaveOnSignal(crew.any),
            ],
        )
        crew.wait()  # Until the chief has saved.
    return Outcome(int(gan.step.numpy()), steps, next(iter(saved.paths), None))


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


def sheet_captions(examples: pipeline.Examples) -> list[str]:
    """Picks captions for a sheet: one of every label where there are labels, else the first."""
    _, rows = np.unique(examples.label, return_index=True)
    if len(rows) < 2:
        rows = np.arange(len(examples.label))
    return [examples.captions[row][0] for row in rows[:SHEET_CAPTIONS]]


class RegularWork:
    """What is done every so many steps beside training."""

    def __init__(
        self,
        run: RunDirectory,
        recipe: recipes.Recipe,
        *,
        checkpoints: Checkpoints,
        keep_best: best.Best,
        sampler: Sampler,
        data_dir: str | os.PathLike,
        captions: list[str],
    ) -> None:
        self._run, self._recipe, self._sampler = run, recipe, sampler
        self._data_dir, self._captions = data_dir, captions
        self._checkpoints, self._best = checkpoints, keep_best

    def draw_sheet(self, step: int) -> None:
        """Writes a sample sheet."""
        write_file(self._run.sample_sheet(step), draw_sheet(self._sampler, self._captions))

    def save(self, step: int) -> None:
        """Writes a checkpoint."""
        self._checkpoints.save()

    def evaluate(self, step: int) -> None:
        """Writes a line of evaluations.jsonl, and keeps the checkpoint if it is the best."""
        line = evaluation.evaluate_run(
            self._run,
            self._sampler,
            checkpoint=f"step {step}",
            view=recipes.view(self._recipe),
            data_dir=self._data_dir,
            metrics=None,
            protocol=Protocol(samples=EVALUATION_SAMPLES, seed=self._recipe.seed, truncation=0.0),
        )
        self._best.consider(line["metrics"])


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


def _build(
    recipe: recipes.Recipe,
    schedule: recipes.Schedule,
    manifest: records.Manifest,
    tokenizer: WordTokenizer,
) -> GAN:
    keras.utils.set_random_seed(recipe.seed)
    gan = recipes.build_model(
        recipe,
        image_channels=manifest.channels,
        vocabulary_size=tokenizer.vocabulary_size,
        dtype=recipe.precision,
    )
    gan.compile(
        optimizers=recipes.make_optimizers(recipe),
        steps_per_execution=schedule.steps_per_execution,
        jit_compile=schedule.jit_compile,
    )
    return gan


def _check_replicas(replicas: int, recipe: recipes.Recipe, schedule: recipes.Schedule) -> None:
    if recipe.batch_size % replicas:
        rule = f"must be a multiple of {replicas} replicas"
        raise UsageError("--batch_size", rule, recipe.batch_size)
    if schedule.jit_compile and replicas > 1:
        rule = f"must be off with {replicas} replicas"
        raise UsageError("--jit_compile", rule, schedule.jit_compile)


def _check_schedule(manifest: records.Manifest, schedule: recipes.Schedule) -> None:
    if schedule.evaluate_every and len(manifest.label_names) < 2:
        rule = "must be 0 for a data set without labels"
        raise UsageError("--evaluate_every", rule, schedule.evaluate_every)
    if schedule.keep_best != "none" and not schedule.evaluate_every:
        rule = "must be above 0 for --keep_best"
        raise UsageError("--evaluate_every", rule, schedule.evaluate_every)
