"""Reads the readable parts of a run directory; the run may be in progress or killed."""

import dataclasses
import datetime
import io
import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory

FLAG = "--run_dir"
CHECKPOINT = re.compile(r"ckpt-(\d+)")
GRID_NAME = re.compile(r"step_(\d+)\.png")


@dataclasses.dataclass(frozen=True)
class Curve:
    """Values over steps, in the order of the file."""

    steps: list[int]
    values: list[float]


@dataclasses.dataclass(frozen=True)
class Warned:
    """A warning of training: its step, kind and text."""

    step: int
    kind: str
    text: str


@dataclasses.dataclass(frozen=True)
class SampleGrid:
    """A sample grid: its step, its PNG, its size in pixels, and the texts of a joint model."""

    step: int
    png: bytes
    width: int
    height: int
    texts: str


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A line of evaluations.jsonl."""

    metrics: Mapping[str, Mapping[str, float]]
    protocol: Mapping[str, Any]

    @property
    def checkpoint(self) -> str:
        """Name of the measured checkpoint."""
        return str(self.protocol.get("checkpoint", "?"))

    @property
    def step(self) -> int | None:
        """Step of the checkpoint; None if its name has none."""
        found = CHECKPOINT.search(self.checkpoint)
        return int(found[1]) if found else None


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts of a run that a report shows.

    Attributes:
      name: name of its directory, with as many parent folders as distinguish the runs.
      config: content of config.json, unchanged; its recipe may be one of an earlier version.
      curves: curves of metrics.jsonl, by name.
      last_line: time of the last write to metrics.jsonl, in UTC; empty if there is none.
      warnings: warnings, in the order of the file.
      grids: some sample grids, in the order of their steps.
      grid_count: number of all sample grids of the run.
      evaluations: evaluations, in the order of the file.
      unreadable: unreadable parts, one sentence each.
    """

    name: str
    config: Mapping[str, Any]
    curves: Mapping[str, Curve]
    last_line: str
    warnings: Sequence[Warned]
    grids: Sequence[SampleGrid]
    grid_count: int
    evaluations: Sequence[Evaluation]
    unreadable: Sequence[str]

    @property
    def last_step(self) -> int:
        """Last step with metrics; 0 if there are none."""
        return max((curve.steps[-1] for curve in self.curves.values()), default=0)


def read_runs(paths: Sequence[str], *, grids: int) -> list[Run]:
    """Reads run directories.

    Args:
      paths: the directories, each given once.
      grids: number of sample grids to read per run, evenly chosen from all its steps.

    Raises:
      UsageError: a directory is not a run, or is given twice.
    """
    folders = [pathlib.Path(path).resolve() for path in paths]
    for path, folder in zip(paths, folders, strict=True):
        if folders.count(folder) > 1:
            raise UsageError(FLAG, "must name every run once", path)
    return [
        _read(path, name=name, grids=grids)
        for path, name in zip(paths, _names(folders), strict=True)
    ]


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Returns `wanted` evenly spaced indices of `count`, including the first and the last."""
    if count <= wanted:
        return list(range(count))
    if wanted == 1:
        return [count - 1]
    return [round(index * (count - 1) / (wanted - 1)) for index in range(wanted)]


def _names(folders: Sequence[pathlib.Path]) -> list[str]:
    """Returns the shortest ends of the paths that differ from each other."""
    deepest = max(len(folder.parts) for folder in folders)
    names: list[str] = []
    for depth in range(1, deepest + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names


def _read(path: str, *, name: str, grids: int) -> Run:
    run = RunDirectory.existing(path, flag=FLAG)
    unreadable: list[str] = []
    curves, warnings = _metrics(run.metrics_file, unreadable)
    names = (file.name for file in run.samples.glob("step_*.png"))
    steps = sorted(int(match[1]) for name in names if (match := GRID_NAME.fullmatch(name)))
    chosen = [steps[index] for index in evenly_spaced(len(steps), grids)]
    last_line = ""
    if run.metrics_file.exists():
        seconds = run.metrics_file.stat().st_mtime
        written = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        last_line = f"{written:%Y-%m-%d %H:%M UTC}"
    return Run(
        name=name,
        config=_config(run.config_file),
        curves=curves,
        last_line=last_line,
        warnings=warnings,
        grids=[grid for step in chosen if (grid := _grid(run, step, unreadable)) is not None],
        grid_count=len(steps),
        evaluations=_evaluations(run.evaluations_file, unreadable),
        unreadable=unreadable,
    )


def _config(file: pathlib.Path) -> dict[str, Any]:
    """Reads config.json unchanged, so that recipes of earlier versions can be shown too."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        for part in ("recipe", "data", "versions"):
            config[part].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(str(file), "must be the configuration of a run", repr(error)) from error
    return config


def _lines(file: pathlib.Path, unreadable: list[str]) -> list[dict[str, Any]]:
    """Returns the JSON objects of a file; skips other lines, as the last may be half-written."""
    if not file.exists():
        return []
    objects, bad = [], 0
    for line in file.read_bytes().splitlines():
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            objects.append(fields)
        else:
            bad += 1
    if bad:
        unreadable.append(f"{file.name}: {bad} of its lines cannot be read")
    return objects


def _metrics(file: pathlib.Path, unreadable: list[str]) -> tuple[dict[str, Curve], list[Warned]]:
    curves: dict[str, Curve] = {}
    warnings = []
    for fields in _lines(file, unreadable):
        step = fields.get("step")
        if not isinstance(step, int):
            unreadable.append(f"{file.name}: a line has no step")
        elif "warning" in fields:
            text = str(fields.get("message", ""))
            warnings.append(Warned(step, str(fields["warning"]), text))
        else:
            for name, value in fields.items():
                if name != "step" and _is_number(value):
                    curve = curves.setdefault(name, Curve([], []))
                    curve.steps.append(step)
                    curve.values.append(float(value))
    return curves, warnings


def _evaluations(file: pathlib.Path, unreadable: list[str]) -> list[Evaluation]:
    evaluations = []
    for fields in _lines(file, unreadable):
        metrics, protocol = fields.get("metrics"), fields.get("protocol")
        if (
            isinstance(metrics, dict)
            and isinstance(protocol, dict)
            and all(isinstance(it, dict) and _is_number(it.get("value")) for it in metrics.values())
        ):
            evaluations.append(Evaluation(metrics, protocol))
        else:
            unreadable.append(f"{file.name}: a line is no evaluation")
    return evaluations


def _grid(run: RunDirectory, step: int, unreadable: list[str]) -> SampleGrid | None:
    file, texts = run.sample_grid(step), run.sample_texts(step)
    try:
        png = file.read_bytes()
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.load()
        written = texts.read_text(encoding="utf-8", errors="replace") if texts.exists() else ""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        unreadable.append(f"{file.name} is no picture that can be read")
        return None
    return SampleGrid(step, png, *image.size, written)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def finite(values: Sequence[float]) -> list[float]:
    """Returns the finite values."""
    return [value for value in values if math.isfinite(value)]
