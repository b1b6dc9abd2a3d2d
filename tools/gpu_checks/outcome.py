"""Settings and outcomes of checks."""

import dataclasses
import pathlib
from typing import Any

PASSED, FAILED, UNFINISHED, NOT_RUN = "passed", "FAILED", "not finished", "not run"
TRAINING_PX = 64


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all checks measure with.

    Attributes:
      folder: folder of data sets, runs, exports and output files.
      steps: steps of the longest training.
      precision: precision of the trainings.
      image_size: image side in pixels, of systems that have this side; None: 64 for the trainings,
        else that of the published recipe.
      batch_size: images per step; None: that of the published recipe.
      gpus: number of GPUs that TensorFlow finds.
    """

    folder: pathlib.Path
    steps: int
    precision: str
    image_size: int | None = None
    batch_size: int | None = None
    gpus: int = 0

    @property
    def training_px(self) -> int:
        """Image side of the trainings, in pixels."""
        return self.image_size or TRAINING_PX


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Outcome of a check.

    Attributes:
      result: `PASSED`, `FAILED`, `UNFINISHED` or `NOT_RUN`.
      summary: one line for the page.
      figures: measured values, for JSON.
      output: last lines of a program that failed.
      seconds: duration of the check.
    """

    result: str
    summary: str
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
    output: tuple[str, ...] = ()
    seconds: float = 0.0
