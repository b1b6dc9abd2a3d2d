"""A system to measure: new weights, data set, training steps, export."""

import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.gan import GAN
from tfgan2.data import pipeline, records
from tfgan2.program import UsageError, warn
from tfgan2.runs import label_texts
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.text import encoders, tokenizers
from tfgan2.text.options import WORD_ENCODERS
from tfgan2.text.tokenizers import Tokenizer
from tfgan2.training import inputs
from tools.benchmarks import machine, synthetic_data
from tools.benchmarks.exported import Exported
from tools.benchmarks.flops import UncountableError
from tools.benchmarks.results import Rate, Result, peak_memory_mb
from tools.benchmarks.stepping import Steps

TRAIN_IMAGES, TEST_IMAGES = 512, 256
SOME_CAPTIONS = 64
# Fraction of --seconds for measuring a denominator.
ASIDE = 0.5
SAMPLING_PRECISION = "float32"


class Bench:
    """A system and its data set; each part is made at its first use.

    Attributes:
      recipe: recipe of the system, its precision resolved.
      seconds: seconds of each measurement.
      folder: folder for the files of the benchmark.
      data_dir: folder of the data set.
      manifest: manifest of the data set.
      peaks: measured matrix-multiply peak by precision, in operations per second.
    """

    def __init__(
        self,
        recipe: recipes.Recipe,
        *,
        name: str,
        folder: pathlib.Path,
        seconds: float,
        channels: int = 3,
        data_dir: str | None = None,
        cache_mb: int = 0,
    ) -> None:
        """Loads the data set's manifest, or makes a data set of synthetic images.

        Args:
          recipe: recipe of the system, its precision resolved.
          name: name of the system or recipe, for results.
          folder: empty folder.
          seconds: seconds of each measurement.
          channels: channels of synthetic images: 1 or 3.
          data_dir: data set, as tools.prepare writes it; None: synthetic images.
          cache_mb: decoded images are cached if all of them fit into this many MiB.

        Raises:
          UsageError: the data set does not fit the recipe.
        """
        self.recipe, self.folder, self.seconds = recipe, folder, seconds
        self._name, self._cache_mb, self._view = name, cache_mb, recipes.view(recipe)
        self.data_dir = data_dir or str(folder / "data")
        if data_dir is None:
            synthetic_data.prepare(
                self.data_dir,
                image_size=self._view.resized,
                channels=channels,
                train=max(TRAIN_IMAGES, recipe.batch_size),
                test=TEST_IMAGES,
            )
        self.manifest = records.load_manifest(self.data_dir)
        if recipe.image_size > self.manifest.image_size:
            rule = f"must be at most the {self.manifest.image_size} px of the data set"
            raise UsageError("--image_size", rule, recipe.image_size)
        images = self.manifest.records("train")
        if recipe.batch_size > images:
            rule = f"must be at most the {images} images of the train split"
            raise UsageError("--batch_size", rule, recipe.batch_size)
        self._texts = label_texts.label_texts(recipe, self.manifest)
        self.peaks: dict[str, float] = {}

    @functools.cached_property
    def steps(self) -> Steps:
        """Training steps of the system."""
        return Steps(
            self._gan,
            self.batches(),
            batch_size=self.recipe.batch_size,
            seconds=ASIDE * self.seconds,
        )

    @functools.cached_property
    def exported(self) -> Exported:
        """Export of the system."""
        return Exported(
            self._gan.sampler(self._tokenizer, truncation=self.recipe.truncation),
            self.folder / "export",
            captions=self._texts or [texts[0] for texts in self.examples(SOME_CAPTIONS).captions],
            seconds=ASIDE * self.seconds,
        )

    def batches(self) -> tf.data.Dataset:
        """Batches from the disk, as the trainer reads them."""
        recipe = self.recipe
        batches = pipeline.batches(
            self.data_dir,
            self.manifest,
            split="train",
            batch_size=recipe.batch_size,
            view=self._view,
            seed=recipe.seed,
            captions_per_image=recipe.captions_per_image,
            mismatch_other_class=recipe.mismatch_other_class,
            cache_mb=self._cache_mb,
        )
        tokenized = inputs.tokenized(batches, self._tokenizer, texts=self._texts)
        return inputs.distributed(tokenized, tf.distribute.get_strategy())

    def examples(self, limit: int | None = None) -> pipeline.Examples:
        """Images of the test split, or of the train split if there is no test split."""
        split = "test" if self.manifest.records("test") else "train"
        return pipeline.examples(
            self.data_dir, self.manifest, split=split, view=self._view, limit=limit
        )

    def peak(self, precision: str) -> float:
        """Matrix-multiply peak in a precision, in operations per second; measured once."""
        if precision not in self.peaks:
            self.peaks[precision] = machine.multiply_peak(precision, seconds=ASIDE * self.seconds)
        return self.peaks[precision]

    def result(
        self,
        what: str,
        rates: Sequence[float] | np.ndarray,
        *,
        bound: tuple[float | None, str],
        rows: int | None = None,
        precision: str | None = None,
        memory_mb: float | None = None,
        model: str | None = None,
    ) -> Result:
        """Makes a result from `rates`, the images per second of each repetition.

        `bound` is the rate to compare with, None if unknown, and its description. The other
        fields describe training of this system in this process by default.
        """
        rate, (limit, ratio_to) = Rate.of(rates), bound
        return Result(
            what=what,
            model=model or self._name,
            image_size=self.recipe.image_size,
            precision=precision or self.recipe.precision,
            batch_size=rows or self.recipe.batch_size,
            repetitions=len(rates),
            images_per_second=rate,
            ratio=None if limit is None else rate.median / limit,
            ratio_to=ratio_to,
            memory_mb=peak_memory_mb() if memory_mb is None else memory_mb,
            gpu_memory_mb=machine.peak_gpu_memory_mb(),
        )

    def peak_rate(
        self, count: Callable[[], int], *, images: int, precision: str
    ) -> tuple[float | None, str]:
        """Returns the images per second at the machine's peak, and describes the peak.

        Args:
          count: counts the floating-point operations of `images` images.
          images: number of images.
          precision: precision of the operations.

        Returns:
          None for the rate if operations cannot be counted; a warning names the reason.
        """
        peak = self.peak(precision)
        description = f"the matrix-multiply peak, {peak / 1e9:.1f} GFLOP/s in {precision}"
        try:
            return peak * images / count(), description
        except UncountableError as error:
            warn(f"operations cannot be counted: {error}")
            return None, description

    @functools.cached_property
    def _tokenizer(self) -> Tokenizer | None:
        recipe, run = self.recipe, RunDirectory(self.folder / "run")
        reads = recipes.system_class(recipe).reads
        if reads is not None and recipe.text_encoder_kind in WORD_ENCODERS:
            words = self.manifest.vocabulary
            if self._texts is not None:
                words = tokenizers.count_words(self._texts)
            tokenizers.write_vocabulary(run.vocabulary_file, words)
        if reads is None:
            return None
        options = recipes.text_options(recipe)
        return encoders.make_tokenizer(options, run.vocabulary_file, for_training=True)

    @functools.cached_property
    def _gan(self) -> GAN:
        keras.utils.set_random_seed(self.recipe.seed)
        gan = recipes.build_model(
            self.recipe,
            image_channels=self.manifest.channels,
            vocabulary_size=0 if self._tokenizer is None else self._tokenizer.vocabulary_size,
            dtype=self.recipe.precision,
        )
        gan.compile(optimizers=gan.make_optimizers(self.manifest.records("train")))
        return gan
