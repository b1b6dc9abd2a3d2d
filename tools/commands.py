"""Prints and runs the commands of this package, for programs that run several commands in order."""

import shlex
import signal
import subprocess
import sys
from types import FrameType
from typing import Any, NoReturn


def as_typed(module: str, *options: str) -> str:
    """Returns a command as a user types it: `python -m module options`."""
    return shlex.join(["python", "-m", module, *options])


def announce(module: str, *options: str) -> list[str]:
    """Prints a command as a user types it.

    Returns:
      The command for `subprocess`, with this program's interpreter.
    """
    print(f"\n$ {as_typed(module, *options)}", flush=True)
    return [sys.executable, "-m", module, *options]


def run(module: str, *options: str) -> None:
    """Prints a command, and runs the command to its end.

    Ctrl-C, SIGTERM and the end of the terminal are passed on to the command as SIGTERM: training
    saves a checkpoint first.

    Raises:
      SystemExit: the command failed (with the code of the command), or was stopped (with 0).
    """
    command = announce(module, *options)
    with _PassedOn() as stop:
        # In a session of its own, so that Ctrl-C reaches the command once, through this program.
        stop.child = subprocess.Popen(command, start_new_session=True)
        code = stop.child.wait()
    if stop.received:
        stopped()
    if code:
        sys.exit(code)


def stopped() -> NoReturn:
    """Says that the program was stopped, and ends with code 0, as training does."""
    print("\nStopped. The same command continues.", flush=True)
    sys.exit(0)


class _PassedOn:
    """Context in which SIGINT, SIGTERM and SIGHUP go on to a child process as SIGTERM.

    Attributes:
      child: the child process.
      received: whether a signal has arrived.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.child: subprocess.Popen | None = None
        self.received = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "_PassedOn":
        # A signal that is ignored stays ignored, as with nohup.
        heeded = [it for it in self.SIGNALS if signal.getsignal(it) != signal.SIG_IGN]
        self._previous = {number: signal.signal(number, self._pass_on) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if self.child is not None:
            self.child.terminate()
