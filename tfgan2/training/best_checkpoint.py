"""Keeps the checkpoint of the best evaluation, beside the newest checkpoints."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tfgan2.adversarial.gan import GAN
from tfgan2.program import warn, write_file
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import RunDirectory

# Score of a metric's value; higher is better.
GOODNESS: dict[str, Callable[[float], float]] = {
    "agreement": lambda value: value,
    "diversity": lambda value: -abs(value - 1.0),
    "kid": lambda value: -value,
}


class Best:
    """Checkpoint of the best evaluation by one metric, over all starts of the run."""

    def __init__(self, gan: GAN, run: RunDirectory, *, metric: str) -> None:
        """Opens the folder of the best checkpoint, which an earlier start may have written.

        Args:
          gan: the model to save.
          run: the run directory.
          metric: a key of `GOODNESS`; `none` keeps no checkpoint.
        """
        self._metric = metric
        self._checkpoints = Checkpoints(gan, run.best_checkpoint, keep=1)
        self._file = run.best_checkpoint / "evaluation.json"

    def consider(self, metrics: Mapping[str, Mapping[str, Any]]) -> None:
        """Saves a checkpoint if `metrics` are better than the evaluation of the saved one."""
        if self._metric not in GOODNESS.keys() & metrics.keys():  # The images may define no value.
            return
        value = metrics[self._metric]["value"]
        good = GOODNESS[self._metric]
        best = self._best()
        if best is None or good(value) > good(best):
            self._checkpoints.save()
            write_file(self._file, json.dumps({self._metric: value}).encode())

    def _best(self) -> float | None:
        """Value of the saved checkpoint; None if there is none, or its file is damaged."""
        try:
            stored = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            stored = None
        if not isinstance(stored, dict):
            warn(f"{self._file} cannot be read, and the next evaluation counts as the best")
            return None
        value = stored.get(self._metric)  # A file of another metric has no value.
        return value if isinstance(value, float | int) else None
