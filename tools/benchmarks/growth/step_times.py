"""Training step time with a batch in memory, over the batch size or the image size."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgan2.runs.recipe import Recipe
from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.growth.series import Series


def measure(
    recipe: Recipe,
    what: str,
    sizes: Sequence[int],
    *,
    name: str,
    data_dir: str | os.PathLike,
    folder: pathlib.Path,
    seconds: float,
) -> Series:
    """Measures median step times over the rows of a batch or the pixels of an image.

    Args:
      recipe: the recipe, its precision resolved.
      what: `batch_size` or `image_size`, the field of the recipe that varies.
      sizes: values of this field.
      name: name of the recipe.
      data_dir: data set with images of the largest size.
      folder: empty folder.
      seconds: seconds of each measurement.
    """
    points = []
    for size in sizes:
        files = folder / f"{what}_{size}"
        files.mkdir(exist_ok=True)
        varied: dict[str, Any] = {what: size}
        bench = Bench(
            dataclasses.replace(recipe, **varied),
            name=name,
            folder=files,
            seconds=seconds,
            data_dir=str(data_dir),
        )
        times = timing.repeat(bench.steps.from_memory, seconds=seconds)
        amount = size if what == "batch_size" else size**2
        points.append((float(amount), float(np.median(times)) / bench.steps.cycle))
    if what == "batch_size":
        fixed, x = f"{recipe.image_size} px", "rows of a batch"
    else:
        fixed, x = f"{recipe.batch_size} rows", "pixels of an image"
    return Series(what, f"{name}, {fixed}, {recipe.precision}", x, "seconds a step", points)
