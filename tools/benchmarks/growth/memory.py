"""Memory of tfgan2.train over the steps, as the run logs it."""

import json
import os
import pathlib

from tfgan2.runs.directory import RunDirectory
from tools.benchmarks.growth import programs
from tools.benchmarks.growth.series import Series

# Fraction of the steps that the line leaves out: traces, caches and buffers grow first.
SETTLING = 0.2
FIELD = "resident_mib"


def measure(
    flagfile: pathlib.Path,
    folder: pathlib.Path,
    *,
    data_dir: str | os.PathLike,
    steps: int,
    log_every: int,
) -> Series:
    """Trains a recipe, with its checkpoints, sample grids and logs, in its own process.

    Args:
      flagfile: flagfile of the recipe.
      folder: empty folder.
      data_dir: data set.
      steps: number of training steps.
      log_every: steps between two measurements.

    Raises:
      Failure: training failed.
    """
    run = RunDirectory(folder / "run")
    programs.run(
        "tfgan2.train",
        *(f"--flagfile={flagfile}", f"--data_dir={data_dir}", f"--run_dir={run.path}"),
        *(f"--steps={steps}", f"--log_every={log_every}"),
    )
    lines = map(json.loads, run.metrics_file.read_text(encoding="utf-8").splitlines())
    points = [(line["step"], line[FIELD]) for line in lines if FIELD in line]
    title = f"training by {flagfile.stem}"
    fitted_from = SETTLING * steps
    return Series("memory", title, "steps", "resident memory, MiB", points, fitted_from)
