"""Prints evaluations of several runs side by side, if their protocols are the same."""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory

FLAG = "--compare"
# Fields in which protocols may differ; different versions get a note.
CHECKPOINT, VERSIONS = "checkpoint", "versions"
COLUMN, NAME_COLUMN = 26, 25
SMALL = 0.1


def newest_line(path: str | os.PathLike) -> dict[str, Any]:
    """Reads the last evaluation of a run, or of a file of evaluations.

    Raises:
      UsageError: there is no evaluation.
    """
    file = pathlib.Path(path)
    if not file.is_file():
        file = RunDirectory.existing(path, flag=FLAG).evaluations_file
    try:
        line = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        values = {name: float(found["value"]) for name, found in line["metrics"].items()}
        if not values or not isinstance(line["protocol"], dict):
            raise ValueError("no metrics or no protocol")
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(FLAG, "must be evaluated", f"{path} ({error!r:.200})") from error
    return line


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Lists the fields in which two protocols differ, except checkpoint and versions."""
    names = [*one, *(name for name in other if name not in one)]
    return [
        f"{name} {one.get(name)!r} and {other.get(name)!r}"
        for name in names
        if name not in (CHECKPOINT, VERSIONS) and one.get(name) != other.get(name)
    ]


def side_by_side(paths: Sequence[str]) -> str:
    """Makes a table of the newest evaluations, one column each.

    Raises:
      UsageError: fewer than two paths are given, or their protocols differ.
    """
    if len(paths) < 2:
        raise UsageError(FLAG, "must be two or more, with commas between them", ",".join(paths))
    lines = [newest_line(path) for path in paths]
    first, *others = (line["protocol"] for line in lines)
    for path, protocol in zip(paths[1:], others, strict=True):
        found = differences(first, protocol)
        if found:
            rule = f"{paths[0]} and {path} must have one protocol"
            raise UsageError(FLAG, rule, ", ".join(found))
    rows = [
        ["", *(pathlib.Path(path).name for path in paths)],
        ["", *(str(line["protocol"].get(CHECKPOINT)) for line in lines)],
    ]
    names = dict.fromkeys(name for line in lines for name in line["metrics"])
    rows += [[name, *(cell(line["metrics"].get(name)) for line in lines)] for name in names]
    shown = [
        f"{name:>{NAME_COLUMN}}" + "".join(f"  {text:<{COLUMN}}" for text in texts)
        for name, *texts in rows
    ]
    if any(protocol.get(VERSIONS) != first.get(VERSIONS) for protocol in others):
        shown.append("their versions differ: see their protocols")
    return "\n".join(line.rstrip() for line in shown)


def cell(result: Mapping[str, float] | None) -> str:
    """Formats a value, with its interval or standard deviation if present."""
    if result is None:
        return "-"
    text = _number(result["value"])
    if "low" in result:
        return f"{text}  {_number(result['low'])}..{_number(result['high'])}"
    return f"{text}  +-{_number(result['deviation'])}" if "deviation" in result else text


def _number(value: float) -> str:
    """Formats with three decimals, or with two significant digits below 0.1."""
    return f"{value:.3f}" if value == 0.0 or abs(value) >= SMALL else f"{value:.2g}"
