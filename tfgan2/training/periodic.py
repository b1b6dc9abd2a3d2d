"""Periodic work beside training: sample grids and evaluations, or retrieval."""

import os
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.sampler import AnySampler
from tfgan2.data import pipeline, records
from tfgan2.evaluation import measure, retrieval
from tfgan2.metrics.protocol import Protocol
from tfgan2.models.matching.matcher import Matcher
from tfgan2.models.matching.model import Matching
from tfgan2.program import write_file
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.text.tokenizers import Tokenizer
from tfgan2.training import best_checkpoint
from tfgan2.training.optional_output import optional_output
from tfgan2.training.sample_captions import SampleCaptions
from tfgan2.training.sample_grid import animation, grid
from tfgan2.training.tensorboard import TensorBoardWriter

GRID_SEEDS, UNCONDITIONAL_ROWS = 8, 8
EVALUATION_SAMPLES = 1000
# Captions and seeds of the within-caption standard deviation.
DEVIATION_CAPTIONS, DEVIATION_SEEDS, UNCONDITIONAL_SEEDS = 4, 4, 16
INTERPOLATION_ROWS = 4


class GeneratorWork:
    """Periodic work for a system with a generator: sample grids and evaluations."""

    def __init__(
        self,
        run: RunDirectory,
        writer: TensorBoardWriter,
        gan: GAN,
        tokenizer: Tokenizer | None,
        recipe: recipes.Recipe,
        schedule: recipes.Schedule,
        data_dir: str | os.PathLike,
        samples: SampleCaptions,
    ) -> None:
        self._run, self._writer, self._recipe, self._data_dir = run, writer, recipe, data_dir
        self._sampler = gan.sampler(tokenizer, truncation=recipe.truncation)
        self._best = best_checkpoint.Best(gan, run, metric=schedule.keep_best)
        self._captions, self._titles = list(samples.texts), samples.titles

    def draw_grid(self, step: int) -> None:
        """Writes a sample grid, and the texts that a joint model wrote."""
        picture, texts = draw_grid(self._sampler, self._captions, titles=self._titles)
        with optional_output(f"the sample grid of step {step}"):
            if texts is not None:
                lines = "".join(f"{seed}\t{text}\n" for seed, text in enumerate(texts))
                write_file(self._run.sample_texts(step), lines.encode())
            write_file(self._run.sample_grid(step), picture)
        self._writer.picture("samples", picture, step=step)

    def deviation(self) -> float:
        """Returns the within-caption standard deviation, in grey levels of 255."""
        return within_caption_deviation(self._sampler, self._captions)

    def evaluate(self, step: int) -> None:
        """Writes a line to evaluations.jsonl, and saves the checkpoint if it is the best."""
        line = measure.evaluate_run(
            self._sampler,
            checkpoint=f"step {step}",
            recipe=self._recipe,
            data_dir=self._data_dir,
            metrics=None,
            protocol=Protocol(samples=EVALUATION_SAMPLES, seed=self._recipe.seed, truncation=0.0),
        )
        with optional_output(str(self._run.evaluations_file)):
            append_line(self._run.evaluations_file, line)
        self._writer.metrics(line["metrics"], step=step)
        self._best.consider(line["metrics"])

    def finish(self, step: int) -> None:
        """Writes the animation of all sample grids of the run, and the interpolations."""
        picture = draw_interpolation(self._sampler, self._captions)
        with optional_output(str(self._run.interpolation)):
            write_file(self._run.interpolation, picture)
        self._writer.picture("interpolation", picture, step=step)
        grids = sorted(self._run.samples.glob("step_*.png"))
        if grids:
            with optional_output(str(self._run.animation)):  # Or a sample grid cannot be read.
                write_file(self._run.animation, animation(grids))


class MatchingWork:
    """Periodic work for a matching model, which has no generator: retrieval."""

    def __init__(
        self,
        run: RunDirectory,
        writer: TensorBoardWriter,
        model: Matching,
        tokenizer: Tokenizer,
        recipe: recipes.Recipe,
        data_dir: str | os.PathLike,
    ) -> None:
        self._run, self._writer, self._recipe = run, writer, recipe
        self._matcher = Matcher(model, tokenizer)
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

    def draw_grid(self, step: int) -> None:
        """Does nothing: there is no generator."""

    deviation = None

    def finish(self, step: int) -> None:
        """Does nothing: there are no sample grids."""

    def evaluate(self, step: int) -> None:
        """Writes a line to evaluations.jsonl, and prints it."""
        line, shown = retrieval.measure(
            self._matcher, self._examples, step=step, seed=self._recipe.seed
        )
        tqdm.write(shown)
        with optional_output(str(self._run.evaluations_file)):
            append_line(self._run.evaluations_file, line)
        self._writer.metrics(line["metrics"], step=step)


def draw_grid(
    sampler: AnySampler, captions: list[str], *, titles: Sequence[str] | None = None
) -> tuple[bytes, list[str] | None]:
    """Draws a sample grid: a row per caption with the seeds 0 to 7; without captions 64 seeds.

    Args:
      sampler: the sampler.
      captions: the captions.
      titles: titles of the rows; None: the captions.

    Returns:
      PNG bytes, and the texts of a joint model or None.
    """
    if sampler.reads == "captions":
        seeds = list(range(GRID_SEEDS))
        images = [sampler.sample([caption] * GRID_SEEDS, seeds, 0.0).images for caption in captions]
        columns = [f"seed {seed}" for seed in seeds]
        return grid(np.stack(images), rows=titles or captions, columns=columns), None
    rows = [range(at * GRID_SEEDS, (at + 1) * GRID_SEEDS) for at in range(UNCONDITIONAL_ROWS)]
    ranges = [f"seeds {row[0]} to {row[-1]}" for row in rows]
    samples = [sampler.sample([""] * GRID_SEEDS, row, 0.0) for row in rows]
    texts = [text for row in samples for text in row.texts or ()] or None
    return grid(np.stack([row.images for row in samples]), rows=ranges, texts=texts), texts


def draw_interpolation(sampler: AnySampler, captions: list[str]) -> bytes:
    """Draws rows that interpolate between seeds, and between captions if the model reads captions.

    Returns:
      PNG bytes.
    """
    reads = sampler.reads is not None
    weights = np.linspace(0.0, 1.0, GRID_SEEDS, dtype=np.float32)
    pairs: list[tuple[tuple[str, str], tuple[int, int]]] = []
    for row in range(INTERPOLATION_ROWS):
        caption = captions[row % len(captions)] if reads else ""
        pairs.append(((caption, caption), (2 * row, 2 * row + 1)))
    for row in range(INTERPOLATION_ROWS if reads and len(captions) > 1 else 0):
        one, other = (captions[(2 * row + at) % len(captions)] for at in range(2))
        pairs.append(((one, other), (0, 0)))
    titles = [
        f"{one} - {other}, seed {seeds[0]}"
        if one != other
        else f"{one}, seeds {seeds[0]} to {seeds[1]}".removeprefix(", ")
        for (one, other), seeds in pairs
    ]
    images = [sampler.interpolate(*pair, weights) for pair in pairs]
    return grid(np.stack(images), rows=titles)


def within_caption_deviation(sampler: AnySampler, captions: list[str]) -> float:
    """Measures how much images of a caption differ from seed to seed, on a few captions.

    Returns:
      Standard deviation over the seeds, mean over pixels and captions, in grey levels of 255.
    """
    captions, seeds = captions[:DEVIATION_CAPTIONS], range(DEVIATION_SEEDS)
    if sampler.reads is None:
        captions, seeds = [""], range(UNCONDITIONAL_SEEDS)
    rows = [(caption, seed) for caption in captions for seed in seeds]
    samples = sampler.sample([caption for caption, _ in rows], [seed for _, seed in rows], 0.0)
    images = samples.images.reshape([len(captions), len(seeds), *samples.images.shape[1:]])
    return float(np.std(images, axis=1, dtype=np.float64).mean())
