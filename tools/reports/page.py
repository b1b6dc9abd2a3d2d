"""Renders runs as one self-contained HTML page."""

import base64
import dataclasses
import hashlib
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from tfgan2.evaluation import comparison
from tools.reports import charts
from tools.reports.reading import Curve, Evaluation, Run, SampleGrid, finite

FOLDER = pathlib.Path(__file__).parent
NOT_COMPARED = (comparison.CHECKPOINT, comparison.VERSIONS)
ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Measured:
    """Evaluations of one protocol, from any of the runs.

    Attributes:
      protocol: fields that all evaluations share.
      metrics: names of all measured metrics.
      rows: run, checkpoint, and a cell per metric, for each evaluation.
      curves: charts over checkpoints, if a run has several of them.
      versions_differ: whether the package versions of the evaluations differ.
    """

    protocol: Mapping[str, str]
    metrics: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[str]]]
    curves: Sequence[charts.Chart]
    versions_differ: bool


def render(runs: Sequence[Run]) -> str:
    """Renders the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    fields = _fields(runs)
    return environment.get_template("page.html").render(
        runs=runs,
        title=", ".join(run.name for run in runs),
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        overview=[(name, [value(run) for run in runs]) for name, value in OVERVIEW.items()],
        differing=[(name, values) for name, values in fields if len(set(values)) > 1],
        same=[(name, values[0]) for name, values in fields if len(set(values)) == 1],
        curves=curves(runs),
        measured=measured(runs),
        address=_address,
    )


def curves(runs: Sequence[Run]) -> dict[str, list[charts.Chart]]:
    """Makes a chart per name in metrics.jsonl, with all runs; grouped by the part before `/`."""
    names = dict.fromkeys(name for run in runs for name in run.curves)
    by_update: dict[str, list[charts.Chart]] = {}
    for name in names:
        lines = [
            charts.Line(run.name, index, run.curves[name])
            for index, run in enumerate(runs)
            if name in run.curves
        ]
        update = name.partition("/")[0] if "/" in name else "the run"
        by_update.setdefault(update, []).append(charts.draw(name, lines, named=len(runs) > 1))
    return by_update


def measured(runs: Sequence[Run]) -> list[Measured]:
    """Groups evaluations by protocol; a table never mixes two protocols."""
    groups: dict[str, list[tuple[int, Evaluation]]] = {}
    for index, run in enumerate(runs):
        for evaluation in run.evaluations:
            protocol = _shared(evaluation.protocol)
            groups.setdefault(json.dumps(protocol, sort_keys=True), []).append((index, evaluation))
    return [_measured(runs, group) for group in groups.values()]


def _measured(runs: Sequence[Run], group: Sequence[tuple[int, Evaluation]]) -> Measured:
    first = group[0][1]
    names = list(dict.fromkeys(name for _, evaluation in group for name in evaluation.metrics))
    rows = [
        (
            runs[index].name,
            evaluation.checkpoint,
            [comparison.cell(evaluation.metrics.get(name)) for name in names],
        )
        for index, evaluation in group
    ]
    versions = [evaluation.protocol.get(comparison.VERSIONS) for _, evaluation in group]
    return Measured(
        protocol={name: _text(value) for name, value in _shared(first.protocol).items()},
        metrics=names,
        rows=rows,
        curves=[chart for name in names if (chart := _metric_chart(runs, group, name)) is not None],
        versions_differ=any(it != versions[0] for it in versions),
    )


def _metric_chart(
    runs: Sequence[Run], group: Sequence[tuple[int, Evaluation]], name: str
) -> charts.Chart | None:
    """Draws a metric over checkpoints; None if no run has two of them."""
    lines = []
    for index, run in enumerate(runs):
        found = {  # The last evaluation of a checkpoint counts.
            evaluation.step: evaluation.metrics[name]
            for owner, evaluation in group
            if owner == index and evaluation.step is not None and name in evaluation.metrics
        }
        if not found:
            continue
        steps = sorted(found)
        results = [found[step] for step in steps]
        interval = None
        if all("low" in result and "high" in result for result in results):
            interval = ([it["low"] for it in results], [it["high"] for it in results])
        curve = Curve(steps, [float(result["value"]) for result in results])
        lines.append(charts.Line(run.name, index, curve, interval))
    if all(len(line.curve.steps) < 2 for line in lines):
        return None
    return charts.draw(name, lines, named=len(runs) > 1)


def _shared(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a protocol that must be the same for comparable values."""
    return {name: value for name, value in protocol.items() if name not in NOT_COMPARED}


def _fields(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Returns every field of config.json, with its values of all runs."""
    prefixes = {"recipe": "", "data": "data: ", "versions": "versions: "}
    flat = []
    for run in runs:
        fields = {
            prefix + name: value
            for part, prefix in prefixes.items()
            for name, value in run.config[part].items()
        }
        others = {name: value for name, value in run.config.items() if name not in prefixes}
        flat.append({**fields, **others})
    names = dict.fromkeys(name for fields in flat for name in fields)
    return [
        (name, [_text(fields[name]) if name in fields else ABSENT for fields in flat])
        for name in names
    ]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(it)}" for name, it in value.items())
    return json.dumps(value, ensure_ascii=False)


def _address(grid: SampleGrid) -> str:
    return f"data:image/png;base64,{base64.b64encode(grid.png).decode()}"


def _images_per_second(run: Run) -> str:
    curve = run.curves.get("images_per_second")
    known = finite(curve.values) if curve is not None else []
    return f"{statistics.median(known):.3g}" if known else "not known"


def _images_trained_on(run: Run) -> str:
    rows = run.config["recipe"].get("batch_size")
    return f"{run.last_step * rows:,}" if isinstance(rows, int) else "not known"


OVERVIEW = {
    "system": lambda run: _text(run.config["recipe"].get("model", "not known")),
    "data": lambda run: _text(run.config["data"].get("source", "not known")),
    "last step in metrics.jsonl": lambda run: f"{run.last_step:,}" if run.curves else "none yet",
    "written last": lambda run: run.last_line or "never",
    "images trained on": _images_trained_on,
    "images/s, median": _images_per_second,
    "warnings": lambda run: str(len(run.warnings)),
    "evaluations": lambda run: str(len(run.evaluations)),
    "sample grids": lambda run: f"{run.grid_count}, of which {len(run.grids)} are shown",
}
