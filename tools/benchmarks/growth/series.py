"""Measurements over one quantity, and the straight line through them."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Fit:
    """The straight line of least squares, y = offset + slope x.

    Attributes:
      slope: units of y for one of x.
      offset: y where x is 0.
      r_squared: share of y's variance that the line accounts for; 1 where all y are the same.
    """

    slope: float
    offset: float
    r_squared: float

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> "Fit":
        """That of points (x, y), of which two at least differ in x."""
        x, y = np.asarray(points, np.float64).T
        slope, offset = np.polyfit(x, y, deg=1)
        residual = np.sum((y - offset - slope * x) ** 2)
        total = np.sum((y - y.mean()) ** 2)
        r_squared = 1 - residual / total if total else 1.0
        return cls(slope=float(slope), offset=float(offset), r_squared=float(r_squared))


@dataclasses.dataclass(frozen=True)
class Series:
    """What was measured.

    Attributes:
      what: by its name in `--what`.
      title: what it is of.
      x: what it was measured over, with its unit.
      y: what was measured, with its unit.
      points: pairs (x, y).
      fitted_from: the line is that of points from this x on.
    """

    what: str
    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float]]
    fitted_from: float = 0.0

    @property
    def fit(self) -> Fit:
        """The straight line."""
        return Fit.of([point for point in self.points if point[0] >= self.fitted_from])

    def __str__(self) -> str:
        fit = self.fit
        return (
            f"{self.what}: {self.title}: {self.y} = {fit.offset:.4g} + {fit.slope:.4g} x {self.x}, "
            f"R^2 {fit.r_squared:.4f}, {len(self.points)} points"
        )


def to_json(machine: Mapping[str, Any], measured: Sequence[Series]) -> bytes:
    """The machine and all series with their lines as a JSON object."""
    growth = [{**dataclasses.asdict(it), "fit": dataclasses.asdict(it.fit)} for it in measured]
    return (json.dumps({"machine": machine, "growth": growth}, indent=1) + "\n").encode()
