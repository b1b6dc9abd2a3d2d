"""Results of benchmarks, as lines of a table and as JSON."""

import dataclasses
import json
import resource
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

QUARTILES = (0.25, 0.5, 0.75)
KIB_PER_MB = 1024
COLUMNS = ("what", "model", "px", "precision", "rows", "images/s", "(quartiles)", "MB", "ratio to")
ROW = "{:<9} {:<22} {:>4} {:<14} {:>5} {:>9} {:>17} {:>6}  {}"


@dataclasses.dataclass(frozen=True)
class Rate:
    """Images per second: median of the repetitions, with lower and upper quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, rates: Sequence[float] | np.ndarray) -> "Rate":
        """Rate of repetitions with these images per second."""
        low, median, high = (float(it) for it in np.quantile(rates, QUARTILES))
        return cls(median=median, low=low, high=high)


@dataclasses.dataclass(frozen=True)
class Result:
    """One measurement.

    Attributes:
      what: name of the benchmark.
      model: name of the system or recipe.
      image_size: image side in pixels.
      precision: precision of the forward and backward passes.
      batch_size: rows of a step or a call.
      repetitions: number of repetitions.
      images_per_second: rate over the repetitions.
      ratio: rate over the rate of `ratio_to`; None if there is no bound.
      ratio_to: description of the bound, with its value.
      memory_mb: peak main memory of the process so far, in MiB.
      gpu_memory_mb: peak memory of the first GPU so far, in MiB; None without a GPU.
    """

    what: str
    model: str
    image_size: int
    precision: str
    batch_size: int
    repetitions: int
    images_per_second: Rate
    ratio: float | None
    ratio_to: str
    memory_mb: float
    gpu_memory_mb: float | None

    def __str__(self) -> str:
        rate = self.images_per_second
        ratio = "-" if self.ratio is None else f"{self.ratio:.3g}"
        return ROW.format(
            self.what,
            self.model,
            self.image_size,
            self.precision,
            self.batch_size,
            f"{rate.median:.1f}",
            f"({rate.low:.1f}-{rate.high:.1f})",
            f"{self.memory_mb:.0f}",
            f"{ratio} of {self.ratio_to}",
        )


def header() -> str:
    """Returns the header of a table of results."""
    return ROW.format(*COLUMNS)


def to_json(machine: Mapping[str, Any], results: Sequence[Result]) -> bytes:
    """Encodes the machine and all results as a JSON object."""
    fields = {"machine": machine, "results": [dataclasses.asdict(it) for it in results]}
    return (json.dumps(fields, indent=1) + "\n").encode()


def peak_memory_mb() -> float:
    """Returns the peak main memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB
