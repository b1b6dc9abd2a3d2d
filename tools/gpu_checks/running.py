"""Runs a program of a check for a limited time, with its output in a file."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

from tools.gpu_checks.outcome import FAILED, PASSED, UNFINISHED, Outcome

ROOT = pathlib.Path(__file__).parents[2]
LAST_LINES, LINE_LENGTH = 15, 200
# Training writes a checkpoint after SIGTERM.
SECONDS_TO_END = 15.0


@dataclasses.dataclass(frozen=True)
class Ended:
    """The end of a program.

    Attributes:
      code: exit code; None: the time was over first.
      seconds: seconds that the program ran.
      lines: lines of its standard output and standard error.
    """

    code: int | None
    seconds: float
    lines: tuple[str, ...]

    @property
    def result(self) -> str:
        """Result of a check that consists of this program."""
        return UNFINISHED if self.code is None else FAILED if self.code else PASSED

    @property
    def last_lines(self) -> tuple[str, ...]:
        """End of the output of a program that failed, else nothing."""
        return tuple(it[:LINE_LENGTH] for it in self.lines[-LAST_LINES:]) if self.code else ()

    def outcome(self, summary: str, **figures: object) -> Outcome:
        """Outcome of a check that consists of this program."""
        said = f"{summary}; exit code {self.code}" if self.code else summary
        return Outcome(self.result, said, dict(figures), self.last_lines)


def run(module: str, *options: str, seconds: float, log: pathlib.Path) -> Ended:
    """Runs `python -m module options`, and ends the program when the time is over.

    Args:
      module: module of the program.
      options: its arguments.
      seconds: limit of the time.
      log: file of the output; its folder exists.
    """
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true", **os.environ}
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    text = log.read_text(encoding="utf-8", errors="replace")
    return Ended(code, time.perf_counter() - began, tuple(text.splitlines()))


def _end(process: subprocess.Popen) -> None:
    """Ends the program, if it still runs, and the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=SECONDS_TO_END)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
