"""The report as a page of Markdown and as JSON."""

import dataclasses
import json
from collections.abc import Mapping

from tools.gpu_checks.outcome import FAILED, Outcome

VERSIONS = ("python", "tfgan2", "tensorflow")


def markdown(outcomes: Mapping[str, Outcome], *, day: str) -> str:
    """Returns the page.

    Args:
      outcomes: outcomes by the name of the check; the first one describes the devices.
      day: date of the report.
    """
    machine = next(iter(outcomes.values())).figures.get("machine", {})
    versions = machine.get("versions", {})
    lines = [
        f"# tfgan2 on GPUs, {day}",
        "",
        f"{machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores, "
        f"{machine.get('system', 'unknown system')}; "
        + ", ".join(f"{name} {versions.get(name, '?')}" for name in VERSIONS),
        "",
        "| check | result | seconds | |",
        "| --- | --- | --- | --- |",
    ]
    for name, outcome in outcomes.items():
        summary = outcome.summary.replace("|", "\\|")
        lines.append(f"| {name} | {outcome.result} | {outcome.seconds:.0f} | {summary} |")
    for name, outcome in outcomes.items():
        if outcome.result == FAILED and outcome.output:
            lines += ["", f"## {name}: last lines", "", *(f"    {it}" for it in outcome.output)]
    return "\n".join(lines) + "\n"


def to_json(outcomes: Mapping[str, Outcome], *, day: str) -> str:
    """Returns the outcomes as a JSON object."""
    checks = [{"check": name, **dataclasses.asdict(it)} for name, it in outcomes.items()]
    return json.dumps({"date": day, "checks": checks}, indent=1) + "\n"
