"""Training step time with a batch in memory, over the batch size or the image size."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from tfgan2.runs.recipe import Recipe
from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.growth.series import Series

Y = "seconds a step"


class StepTimes:
    """Step times of a recipe, on a data set with images of the largest size."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        name: str,
        data_dir: str | os.PathLike,
        folder: pathlib.Path,
        seconds: float,
    ) -> None:
        """Stores the arguments.

        Args:
          recipe: the recipe, its precision resolved.
          name: name of the recipe.
          data_dir: data set.
          folder: empty folder.
          seconds: seconds of each measurement.
        """
        self._recipe, self._name = recipe, name
        self._data_dir, self._folder, self._seconds = str(data_dir), folder, seconds

    def over_rows(self, batch_sizes: Sequence[int]) -> Series:
        """Median step times over the batch size in rows."""
        points = [
            (float(rows), self._median(rows, self._recipe.image_size)) for rows in batch_sizes
        ]
        title = f"{self._name}, {self._recipe.image_size} px, {self._recipe.precision}"
        return Series("batch_size", title, "rows of a batch", Y, points)

    def over_pixels(self, image_sizes: Sequence[int]) -> Series:
        """Median step times over the image size in pixels (side squared)."""
        rows = self._recipe.batch_size
        points = [(float(side**2), self._median(rows, side)) for side in image_sizes]
        title = f"{self._name}, {rows} rows, {self._recipe.precision}"
        return Series("image_size", title, "pixels of an image", Y, points)

    def _median(self, rows: int, side: int) -> float:
        folder = self._folder / f"{rows}_rows_{side}_px"
        folder.mkdir(exist_ok=True)
        bench = Bench(
            dataclasses.replace(self._recipe, batch_size=rows, image_size=side),
            name=self._name,
            folder=folder,
            seconds=self._seconds,
            data_dir=self._data_dir,
        )
        steps = bench.steps
        times = timing.repeat(steps.from_memory, seconds=self._seconds)
        return float(np.median(times)) / steps.cycle
