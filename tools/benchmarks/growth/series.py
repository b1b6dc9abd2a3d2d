"""Measurements over one quantity, and the fitted straight line."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Fit:
    """The least-squares line y = offset + slope x.

    Attributes:
      slope: change of y per unit of x.
      offset: y at x = 0.
      r_squared: fraction of y's variance that the line explains; 1 if all y are the same.
    """

    slope: float
    offset: float
    r_squared: float

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> "Fit":
        """Fits points (x, y); at least two must differ in x."""
        x, y = np.asarray(points, np.float64).T
        slope, offset = np.polyfit(x, y, deg=1)
        residual = np.sum((y - offset - slope * x) ** 2)
        total = np.sum((y - y.mean()) ** 2)
        r_squared = 1 - residual / total if total else 1.0
        return cls(slope=float(slope), offset=float(offset), r_squared=float(r_squared))


@dataclasses.dataclass(frozen=True)
class Series:
    """Measurements over one quantity.

    Attributes:
      what: name in `--what`.
      title: title of the chart.
      x: quantity on the x axis, with its unit.
      y: measured quantity, with its unit.
      points: pairs (x, y).
      fitted_from: the line is fitted to points from this x on.
    """

    what: str
    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float]]
    fitted_from: float = 0.0

    @property
    def fit(self) -> Fit:
        """The fitted straight line."""
        return Fit.of([point for point in self.points if point[0] >= self.fitted_from])

    def __str__(self) -> str:
        fit = self.fit
        return (
            f"{self.what}: {self.title}: {self.y} = {fit.offset:.4g} + {fit.slope:.4g} x {self.x}, "
            f"R^2 {fit.r_squared:.4f}, {len(self.points)} points"
        )


def to_json(machine: Mapping[str, Any], measured: Sequence[Series]) -> bytes:
    """Encodes the machine and all series with their lines as a JSON object."""
    growth = [{**dataclasses.asdict(it), "fit": dataclasses.asdict(it.fit)} for it in measured]
    return (json.dumps({"machine": machine, "growth": growth}, indent=1) + "\n").encode()
