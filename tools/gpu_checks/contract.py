"""The tests of what graphs may get wrong, with every system."""

import re

from tools.gpu_checks import running
from tools.gpu_checks.outcome import NOT_RUN, Outcome, Setting

TESTS = "tests/contract"
VERDICT = re.compile(r"(\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED)\b")


def check(setting: Setting, *, seconds: float) -> Outcome:
    """Runs the contract tests, and counts those that have ended when the time is over."""
    if not (running.ROOT / TESTS).is_dir():
        return Outcome(NOT_RUN, f"{TESTS} belongs to the checkout, not to the installed package")
    ended = running.run(
        "pytest",
        *("--verbose", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("-m", "not slow and not long", TESTS),
        seconds=seconds,
        log=setting.folder / "contract.log",
    )
    verdicts = [it.groups() for line in ended.lines if (it := VERDICT.match(line))]
    failed = [test for test, verdict in verdicts if verdict in ("FAILED", "ERROR")]
    passed = sum(verdict == "PASSED" for _, verdict in verdicts)
    return ended.outcome(
        f"{passed} tests passed, {len(failed)} failed", passed=passed, failed=failed
    )
