"""Requests are counted under the codes that their clients get."""

import contextlib
import gzip
import http.client
import pathlib
from collections.abc import Callable, Iterator
from unittest import mock

import grpc
import pytest

from serving.server.protocol import services
from serving.server.protocol.model_server import ServerOptions
from serving.server.protocol.rest import RestOptions
from tests.serving.conftest import HeldRuns
from tests.serving.models import predict_request
from tests.serving.servers import Served, serve, until

PREDICT = "/tensorflow.serving.PredictionService/Predict"


@pytest.fixture
def served(doubler_versions: pathlib.Path) -> Iterator[Served]:
    rest = RestOptions(timeout_seconds=1.5)
    options = ServerOptions(host="127.0.0.1", port=0, rest_port=0, rest=rest)
    with serve({"m": doubler_versions}, options=options) as running:
        yield running


@contextlib.contextmanager
def counted(served: Served, model: str, status: str) -> Iterator[None]:
    """The block is one request of this status, and no request of another one."""

    def lines() -> list[str]:
        return served.metrics.request_count.lines()

    before, total = lines(), served.metrics.request_count.total(model, status)
    yield
    until(lambda: lines() != before)
    assert served.metrics.request_count.total(model, status) == total + 1
    series = f'{{model_name="{model}",status="{status}"}}'
    assert [line for line in lines() if series not in line] == [
        line for line in before if series not in line
    ]


def post(served: Served, body: bytes, *, length: int | None = None, encoding: str = "") -> int:
    headers = {"Content-Length": str(len(body) if length is None else length)}
    headers |= {"Content-Encoding": encoding} if encoding else {}
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", served.server.rest_port, timeout=60)
    ) as connection:
        connection.request("POST", "/v1/models/m:predict", body, headers)
        return connection.getresponse().status


def test_rest_bodies_that_are_no_json(served: Served) -> None:
    for body, encoding in (
        (b"", ""),
        (b"{no json", ""),
        (b'{"instances": [1e999]}', ""),
        (b'{"signature_name": 1}', ""),
        (b"no gzip", "gzip"),
        (gzip.compress(b"{"), "gzip"),
    ):
        with counted(served, "m", "INVALID_ARGUMENT"):
            assert post(served, body, encoding=encoding) == 400


def test_rest_bodies_that_do_not_end(served: Served) -> None:
    with counted(served, "m", "DEADLINE_EXCEEDED"):
        assert post(served, b"{", length=9) == 504


def test_rest_requests_that_run_too_long(served: Served, held_runs: HeldRuns) -> None:
    with counted(served, "m", "DEADLINE_EXCEEDED"):
        assert post(served, b'{"instances": [1.0]}') == 504
    held_runs.go.set()


def test_rest_clients_that_leave(doubler_versions: pathlib.Path) -> None:
    options = ServerOptions(host="127.0.0.1", port=0, rest_port=0)
    with (
        serve({"m": doubler_versions}, options=options) as served,
        counted(served, "m", "CANCELLED"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", served.server.rest_port)
        connection.putrequest("POST", "/v1/models/m:predict")
        connection.putheader("Content-Length", "9")
        connection.endheaders(b"{")
        connection.close()


def refused(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code()


def test_grpc_messages_that_cannot_be_read(served: Served) -> None:
    call = served.channel.unary_unary(PREDICT)
    with counted(served, "", "INTERNAL"):
        assert refused(lambda: call(b"\xff\xff", timeout=60)) == grpc.StatusCode.INTERNAL


def test_grpc_requests_without_a_model(served: Served) -> None:
    request = predict_request("", {"x": [1.0]})
    with counted(served, "", "INVALID_ARGUMENT"):
        assert refused(lambda: served.predictions.Predict(request)) == (
            grpc.StatusCode.INVALID_ARGUMENT
        )


def test_grpc_calls_past_their_deadline(served: Served, held_runs: HeldRuns) -> None:
    request = predict_request("m", {"x": [1.0]})
    with counted(served, "m", "DEADLINE_EXCEEDED"):
        code = refused(lambda: served.predictions.Predict(request, timeout=1))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    held_runs.go.set()


@pytest.mark.parametrize(
    ("total", "remaining", "past"),
    [(10.0, 0.0, True), (10.0, 0.1, True), (10.0, 5.0, False), (None, None, False)],
)
def test_a_client_s_clock_may_end_a_little_earlier(
    total: float | None, remaining: float | None, past: bool
) -> None:
    context = mock.Mock(**{"time_remaining.return_value": remaining})
    assert services.is_past_deadline(context, total) == past


@pytest.mark.parametrize("timeout", [None, 600])
def test_grpc_calls_that_are_cancelled(
    timeout: float | None, served: Served, held_runs: HeldRuns
) -> None:
    request = predict_request("m", {"x": [1.0]})
    with counted(served, "m", "CANCELLED"):
        call = served.predictions.Predict.future(request, timeout=timeout)
        assert held_runs.started.wait(30)
        call.cancel()
    held_runs.go.set()
