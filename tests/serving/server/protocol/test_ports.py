"""Ports are checked as a server would open them."""

import pathlib
import socket

import pytest

from serving.program import UsageError
from serving.server.protocol import ports


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            ports.check_port("port", "0.0.0.0", port)
    assert str(caught.value) == f"--port: must be free, got {port} (Address already in use)"
    ports.check_port("port", "0.0.0.0", port)


def test_a_check_opens_nothing(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "socket")
    ports.check_socket_path(path)
    assert not list(tmp_path.iterdir())
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(path)
        ports.check_socket_path(path)
    assert [child.name for child in tmp_path.iterdir()] == ["socket"]
    with pytest.raises(UsageError, match="path where a socket can be made"):
        ports.check_socket_path(f"{tmp_path}/{'long' * 40}")
