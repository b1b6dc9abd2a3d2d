"""Comparison of runs that were evaluated with one protocol, at any checkpoints."""

import json
import pathlib
from typing import Any

import pytest

from tfgan2.evaluation import comparison
from tfgan2.program import UsageError

PROTOCOL = {"samples": 100, "truncation": 1.0, "checkpoint": "ckpt-1", "versions": {"numpy": "2"}}


def write(path: pathlib.Path, metrics: dict[str, Any], **protocol: Any) -> str:
    line = {"metrics": metrics, "protocol": {**PROTOCOL, **protocol}}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return str(path)


def test_newest_evaluations_are_printed_side_by_side(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "one", {"kid": {"value": 9.0}}, samples=7)
    interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    one = write(tmp_path / "one", {"kid": {"value": 1.0}, "agreement": interval})
    scores = {"kid": {"value": 2.0}, "inception_score": {"value": 3.0, "deviation": 0.5}}
    two = write(tmp_path / "two", scores, checkpoint="ckpt-9")
    rows = [row.split() for row in comparison.side_by_side([one, two]).splitlines()]
    assert rows == [
        ["one", "two"],
        ["ckpt-1", "ckpt-9"],
        ["kid", "1.000", "2.000"],
        ["agreement", "0.500", "0.250..0.750", "-"],
        ["inception_score", "-", "3.000", "+-0.500"],
    ]


def test_small_values_keep_their_digits() -> None:
    interval = {"value": 0.00106, "low": -0.0123, "high": 0.25}
    assert comparison.cell(interval) == "0.0011  -0.012..0.250"
    assert comparison.cell({"value": 0.0}) == "0.000"


def test_different_versions_are_reported(tmp_path: pathlib.Path) -> None:
    one = write(tmp_path / "one", {"kid": {"value": 1.0}})
    two = write(tmp_path / "two", {"kid": {"value": 1.0}}, versions={"numpy": "3"})
    assert "their versions differ" in comparison.side_by_side([one, two])


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"samples": 200}, "samples 100 and 200"),
        ({"truncation": 0.88}, "truncation 1.0 and 0.88"),
        ({"statistics": {"checksum": "a"}}, "statistics None and {'checksum': 'a'}"),
        ({"samples": 7, "truncation": 0.5}, "samples 100 and 7, truncation 1.0 and 0.5"),
    ],
)
def test_different_protocols_are_refused(
    other: dict[str, Any], difference: str, tmp_path: pathlib.Path
) -> None:
    one = write(tmp_path / "one", {"kid": {"value": 1.0}})
    two = write(tmp_path / "two", {"kid": {"value": 1.0}}, **other)
    with pytest.raises(UsageError, match="must have one protocol") as caught:
        comparison.side_by_side([one, one, two])
    assert str(caught.value).endswith(f"got {difference}")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"metrics": {}, "protocol": {}}', '{"metrics": {"kid": 1}}', "no"]
)
def test_invalid_evaluation_file_is_refused(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match="--compare: must be evaluated, got"):
        comparison.newest_line(path)


def test_single_run_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="--compare: must be two or more"):
        comparison.side_by_side([write(tmp_path / "one", {"kid": {"value": 1.0}})])
