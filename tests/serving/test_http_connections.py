"""Limits of HTTP connections, in the model server and in the page."""

import asyncio
import contextlib
import dataclasses
import http.client
import logging
import pathlib
import resource
import socket
from collections.abc import Iterator

import grpc
import pytest

from serving import http_connections
from serving.child_server import free_port
from serving.http_connections import ConnectionLimits
from serving.server.protocol.model_server import ServerOptions
from serving.server.protocol.rest import RestOptions
from tests import programs
from tests.serving.models import predict_request
from tests.serving.servers import Served, serve, until

STATUS = b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"


@dataclasses.dataclass
class LogClock:
    """The clock of the log, which stands still."""

    seconds: float = 0.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> LogClock:
    """Sets the clock of the log to 0; the log has no line yet."""
    stopped = LogClock()
    monkeypatch.setattr("absl.logging._log_timer_per_token", {})
    monkeypatch.setattr("absl.logging.timeit.default_timer", lambda: stopped.seconds)
    return stopped


@contextlib.contextmanager
def served(path: pathlib.Path, **limits: float) -> Iterator[Served]:
    """Serves the doubler; requests have a second, unless `limits` says otherwise."""
    chosen = ConnectionLimits(**{"request_seconds": 1.0, **limits})
    rest = RestOptions(timeout_seconds=chosen.request_seconds)
    options = ServerOptions(
        host="127.0.0.1", port=0, rest_port=0, rest=rest, rest_limits=chosen, grpc_connections=1
    )
    with serve({"m": path}, options=options) as running:
        yield running


@contextlib.contextmanager
def connected(port: int, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        yield connection


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(2**16):
            content += part
    return content


def status_of(connection: socket.socket) -> int:
    """Reads the next response, and returns its status code."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


UNFINISHED = {
    "request line": (b"POST /v1", b" 408 "),
    "headers": (POST, b" 408 "),
    "body": (POST + b"Content-Length: 9\r\n\r\n{", b" 504 "),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", b" 504 "),
    "body that is not read": (
        b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        b" 404 ",
    ),
    "next request": (STATUS + b"GET /", b" 408 "),
}


@pytest.mark.parametrize("case", UNFINISHED)
def test_a_request_that_does_not_end_is_closed(case: str, doubler_versions: pathlib.Path) -> None:
    sent, status = UNFINISHED[case]
    with (
        served(doubler_versions, request_seconds=0.05) as running,
        connected(running.server.rest_port, sent) as connection,
    ):
        assert status in received(connection)


def test_a_client_that_does_not_read_is_closed(
    doubler_versions: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = STATUS.replace(b"/m ", b"/m/metadata ") * 1000  # About 8 MB of responses.
    with (
        served(doubler_versions, request_seconds=0.2) as running,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
        connection.connect(("127.0.0.1", running.server.rest_port))
        connection.sendall(asked)
        until(lambda: "does not read its response" in caplog.text)
        assert received(connection).count(b"HTTP/1.1 200") < 1000


def test_a_connection_without_a_request_is_closed(doubler_versions: pathlib.Path) -> None:
    with served(doubler_versions, idle_seconds=0.5) as running:
        for sent, status in ((b"", b""), (STATUS, b" 200 ")):
            with connected(running.server.rest_port, sent) as connection:
                assert status in received(connection)


def test_a_connection_lives_longer_than_the_minute_of_proxies() -> None:
    assert ConnectionLimits().idle_seconds > 60


def test_connections_beyond_the_limit_are_refused(doubler_versions: pathlib.Path) -> None:
    with served(doubler_versions, connections=2) as running:
        port = running.server.rest_port
        with connected(port) as one, connected(port, STATUS) as two:
            assert status_of(two) == 200
            with connected(port) as three:
                assert b" 503 " in received(three)
            two.sendall(STATUS)
            assert status_of(two) == 200
            one.close()

            def accepted() -> bool:
                with connected(port, STATUS) as four:
                    return status_of(four) == 200

            until(accepted)


def test_grpc_connections_beyond_the_limit_are_refused(doubler_versions: pathlib.Path) -> None:
    request = predict_request("m", {"x": [1.0]})
    with served(doubler_versions) as running:
        assert running.predictions.Predict(request)
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(running.address, options) as channel:
            call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            with pytest.raises(grpc.RpcError) as caught:
                call(request.SerializeToString(), timeout=60)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert running.predictions.Predict(request)


def test_the_limit_leaves_file_descriptors_for_other_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert http_connections.affordable(100, ports=2) == 100
    assert http_connections.affordable(1000, ports=2) == (1024 - 128) // 2


def test_the_log_has_one_line_per_second(clock: LogClock, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    full = {
        "message": "socket.accept() out of system resource",
        "exception": OSError(24, "Too many open files"),
    }
    for clock.seconds in (0.0, 1.0):
        for number in range(100):
            http_connections.log_closed(f"10.0.0.1:{number}", "Invalid HTTP request received")
            http_connections.on_loop_error(loop, full)
    loop.close()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert lines[0].startswith("Closed the connection of 10.0.0.1:0: Invalid HTTP request received")
    assert lines[1] == "Cannot accept connections: [Errno 24] Too many open files"


def test_a_bad_request_is_logged_with_its_client(
    doubler_versions: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = STATUS.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    with served(doubler_versions) as running, caplog.at_level(logging.WARNING):
        caplog.clear()
        port = running.server.rest_port
        with connected(port, b"nonsense\r\n\r\n") as connection:
            assert b" 400 " in received(connection)
            host, number = connection.getsockname()
        # The second response would contradict the first one.
        early = b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        with connected(port, early) as connection:
            assert status_of(connection) == 404
            connection.sendall(b"zz\r\n")
            assert received(connection) == b""
        with connected(port, upgrade) as connection:
            assert status_of(connection) == 200
    # gRPC's own messages may come between.
    (line,) = [record.getMessage() for record in caplog.records if record.name == "absl"]
    assert line.startswith(f"Closed the connection of {host}:{number}: Invalid HTTP request")


def test_the_limits_of_the_server_are_flags(doubler_versions: pathlib.Path) -> None:
    port, rest_port = free_port(), free_port()
    options = [
        *("--model_name=m", f"--model_base_path={doubler_versions}"),
        *(f"--port={port}", f"--rest_api_port={rest_port}", "--max_connections=1"),
        *("--rest_api_timeout_in_ms=1000", "--rest_api_keep_alive_in_ms=500"),
    ]
    with programs.start("serving.server", *options) as server:
        assert any(line.startswith("Exporting HTTP/REST") for line in server.stdout)
        with connected(rest_port, b"GET /") as one, connected(rest_port) as two:
            assert b" 503 " in received(two)
            assert b" 408 " in received(one)
        with connected(rest_port) as three:
            assert received(three) == b""


def test_the_limits_of_the_page_are_flags() -> None:
    options = ["--target=localhost:1", "--model=m", "--host=127.0.0.1", "--port=0"]
    limits = ["--timeout_seconds=1", "--keep_alive_seconds=0.5", "--max_connections=1"]
    with programs.start("serving.demo", *options, *limits) as page:
        line = next(line for line in page.stdout if "http://" in line)
        port = int(line.rpartition(":")[2].strip("/\n"))
        with connected(port, b"GET /") as one, connected(port) as two:
            assert b" 503 " in received(two)
            assert b" 408 " in received(one)
        with connected(port) as three:
            assert received(three) == b""
