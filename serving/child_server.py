"""Runs a model server in a child process."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Sequence
from typing import IO

STOP_SECONDS = 60.0
READY = "Running gRPC ModelServer"


class NotStartedError(SystemExit):
    """The server ended before it was ready; uncaught, this program ends with the same code."""


@contextlib.contextmanager
def child_server(
    command: Sequence[str], *, stderr: IO[str] | int | None = None
) -> Iterator[subprocess.Popen]:
    """Starts a server, yields its process once the server is ready, and stops it at the end.

    Args:
      command: `python -m serving.server` and its flags, with a gRPC port or a gRPC socket.
      stderr: receives the server's log, as for `subprocess.Popen`; None: this program's stderr.

    Raises:
      NotStartedError: the server ended before it was ready.
    """
    # A new session, so that Ctrl-C does not stop the server before this program has ended.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
    ) as server:
        try:
            if not any(line.startswith(READY) for line in server.stdout or ()):
                raise NotStartedError(server.wait())
            yield server
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def free_port() -> int:
    """Returns a port that no program uses now."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]
