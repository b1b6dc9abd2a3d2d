"""The training step, with a batch in memory, over the size of the batch or of the images."""

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
    """A recipe on a data set whose images are as large as the largest."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        name: str,
        data_dir: str | os.PathLike,
        folder: pathlib.Path,
        seconds: float,
    ) -> None:
        """Takes what is measured.

        Args:
          recipe: its precision resolved.
          name: of it.
          data_dir: a data set.
          folder: empty.
          seconds: of measuring each size.
        """
        self._recipe, self._name = recipe, name
        self._data_dir, self._folder, self._seconds = str(data_dir), folder, seconds

    def over_rows(self, batch_sizes: Sequence[int]) -> Series:
        """Medians over the rows of a batch."""
        points = [
            (float(rows), self._median(rows, self._recipe.image_size)) for rows in batch_sizes
        ]
        title = f"{self._name}, {self._recipe.image_size} px, {self._recipe.precision}"
        return Series("batch_size", title, "rows of a batch", Y, points)

    def over_pixels(self, image_sizes: Sequence[int]) -> Series:
        """Medians over the pixels of an image."""
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
        took = timing.repeat(steps.from_memory, seconds=self._seconds)
        return float(np.median(took)) / steps.cycle
