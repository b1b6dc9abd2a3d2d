"""Runs programs in processes forked from a process that has imported the large libraries.

A forked process differs from a started one only in these imports: it has its own flags, signals,
exit code and output. It starts in a tenth of a second instead of ten seconds.
"""

import dataclasses
import io
import multiprocessing
import os
import pathlib
import runpy
import signal
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from typing import TextIO

ROOT = pathlib.Path(__file__).parents[1]
LIBRARIES = ["tensorflow", "tensorflow_text", "tf_keras", "grpc", "scipy.stats", "apache_beam"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(LIBRARIES)


@dataclasses.dataclass(frozen=True)
class Ended:
    """The exit code and the output of a program."""

    returncode: int
    stdout: str
    stderr: str


class Running:
    """A running program, whose standard output can be read."""

    def __init__(self, process: BaseProcess, stdout: TextIO) -> None:
        self._process = process
        self.stdout = stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Returns the exit code; minus the number of the signal that ended the program."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"still runs after {timeout} s"
        return self._process.exitcode

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self.stdout.close()


def run(module: str, *options: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Runs `python -m module options` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [os.path.join(folder, name) for name in ("stdout", "stderr")]
        process = _begin(module, options, *outputs, environment or {})
        process.join()
        stdout, stderr = (pathlib.Path(path).read_text() for path in outputs)
    return Ended(process.exitcode, stdout, stderr)


def error_of(module: str, *options: str) -> str:
    """Runs a program that a user error ends, and returns its error of one line."""
    ended = run(module, *options)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def start(
    module: str,
    *options: str,
    stderr: str = os.devnull,
    environment: Mapping[str, str] | None = None,
) -> Running:
    """Starts `python -m module options`.

    Args:
      module: the program.
      options: its flags.
      stderr: file for the standard error.
      environment: additional environment variables.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stdout")
        os.mkfifo(path)
        process = _begin(module, options, path, stderr, environment or {})
        return Running(process, open(path))  # Waits until the program has opened it.


def _begin(
    module: str, options: tuple[str, ...], stdout: str, stderr: str, environment: Mapping[str, str]
) -> BaseProcess:
    process = _CONTEXT.Process(
        target=_be, args=(module, options, stdout, stderr, dict(environment)), daemon=False
    )
    process.start()
    return process


def _be(
    module: str, options: tuple[str, ...], stdout: str, stderr: str, environment: dict[str, str]
) -> None:
    """Runs the program in this process, as `python -m` does."""
    for path, descriptor in ((os.devnull, 0), (stdout, 1), (stderr, 2)):
        opened = os.open(path, os.O_RDWR if descriptor == 0 else os.O_WRONLY | os.O_CREAT, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(descriptor, mode, closefd=False), write_through=True)
        for descriptor, mode in ((0, "rb"), (1, "wb"), (2, "wb"))
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(environment)
    os.chdir(ROOT)
    import tensorflow as tf

    # As in `tests/conftest.py`: optimizing a tiny graph takes longer than running it.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    sys.argv = [module, *options]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
