"""Keeps the checkpoint of the best evaluation, beside the newest ones."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tfgan2.adversarial.gan import GAN
from tfgan2.program import write_file
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import RunDirectory

# How good a value is: the higher, the better.
GOODNESS: dict[str, Callable[[float], float]] = {
    "agreement": lambda value: value,
    "diversity": lambda value: -abs(value - 1.0),
    "kid": lambda value: -value,
}


class Best:
    """The checkpoint of the best evaluation so far by one metric, over all starts of the run."""

    def __init__(self, gan: GAN, run: RunDirectory, *, metric: str) -> None:
        """Takes up what earlier starts have kept.

        Args:
          gan: what is saved.
          run: where.
          metric: a key of `GOODNESS`, or `none`.
        """
        self._metric = metric
        self._checkpoints = Checkpoints(gan, run.best_checkpoint, keep=1)
        self._file = run.best_checkpoint / "evaluation.json"

    def consider(self, metrics: Mapping[str, Mapping[str, Any]]) -> None:
        """Saves the state if its evaluation is better than that of the one kept."""
        if self._metric == "none":
            return
        value = metrics[self._metric]["value"]
        good = GOODNESS[self._metric]
        kept = json.loads(self._file.read_bytes()) if self._file.is_file() else {}
        if self._metric not in kept or good(value) > good(kept[self._metric]):
            self._checkpoints.save()
            write_file(self._file, json.dumps({self._metric: value}).encode())
