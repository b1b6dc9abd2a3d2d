"""Checks the addresses of a server before it loads models; no client can connect yet."""

import os
import pathlib
import socket

from serving.program import UsageError


def check_port(flag: str, host: str, port: int) -> None:
    """Checks that a server could listen on a port.

    Raises:
      UsageError: the port is in use, or this user may not open it.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As in servers: connections that have ended do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"--{flag}: must be free, got {port} ({error.strerror})") from error


def check_socket_path(path: str) -> None:
    """Checks that a server could make a unix socket; a socket of an earlier server may be there.

    Raises:
      UsageError: no socket can be made.
    """
    if pathlib.Path(path).is_socket():
        return
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(path)
        os.unlink(path)
    except OSError as error:
        raise UsageError(
            f"--grpc_socket_path: must be a path where a socket can be made, got {path} ({error})"
        ) from error
