"""What is done every so many steps beside training: drawing and measuring, or matching."""

import os

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.sampler import Sampler
from tfgan2.data import pipeline, records
from tfgan2.metrics.evaluate import Protocol
from tfgan2.models.matcher import Matcher
from tfgan2.models.matching import Matching
from tfgan2.program import write_file
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.text.tokenizers import Tokenizer
from tfgan2.training import best, evaluation, retrieval
from tfgan2.training.sheets import sheet

SHEET_SEEDS = 8
EVALUATION_SAMPLES = 1000


class DrawingWork:
    """Sheets and evaluations of a system that draws."""

    def __init__(
        self,
        run: RunDirectory,
        gan: GAN,
        tokenizer: Tokenizer,
        recipe: recipes.Recipe,
        schedule: recipes.Schedule,
        data_dir: str | os.PathLike,
        captions: list[str],
    ) -> None:
        self._run, self._recipe, self._data_dir = run, recipe, data_dir
        self._sampler = gan.sampler(tokenizer, truncation=recipe.truncation)
        self._best = best.Best(gan, run, metric=schedule.keep_best)
        self._captions = captions

    def draw_sheet(self, step: int) -> None:
        """Writes a sample sheet."""
        write_file(self._run.sample_sheet(step), draw_sheet(self._sampler, self._captions))

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


class MatchingWork:
    """Retrieval by a matching model, which draws nothing."""

    def __init__(
        self,
        run: RunDirectory,
        model: Matching,
        tokenizer: Tokenizer,
        recipe: recipes.Recipe,
        data_dir: str | os.PathLike,
    ) -> None:
        self._run, self._matcher, self._recipe = run, Matcher(model, tokenizer), recipe
        manifest = records.load_manifest(data_dir)
        self._examples = {
            split: pipeline.examples(
                data_dir,
                manifest,
                split=split,
                view=recipes.view(recipe),
                limit=retrieval.MOST_IMAGES,
            )
            for split in manifest.splits
            if manifest.records(split) > 1
        }

    def draw_sheet(self, step: int) -> None:
        """Has nothing to draw."""

    def evaluate(self, step: int) -> None:
        """Writes a line of evaluations.jsonl, and prints it."""
        line = retrieval.measure(
            self._matcher, self._examples, step=step, seed=self._recipe.seed, run=self._run
        )
        tqdm.write(line)


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
