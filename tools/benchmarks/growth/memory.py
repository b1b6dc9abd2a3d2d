"""Memory that tfgan2.train holds, as it logs it itself."""

import json
import os
import pathlib

from tfgan2.runs.directory import RunDirectory
from tools.benchmarks.growth import programs
from tools.benchmarks.growth.series import Series

# Of the steps, before which the line does not begin: traces, caches and buffers come first.
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
    """Trains by a recipe, with its checkpoints, sheets and logs, in a process of its own.

    Args:
      flagfile: the recipe.
      folder: empty.
      data_dir: a data set.
      steps: to be taken.
      log_every: steps from one measurement to the next.

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
