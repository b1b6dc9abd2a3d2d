"""Shutdown of a server: no accepted call is lost, and no client delays the shutdown."""

import contextlib
import dataclasses
import functools
import http.client
import pathlib
import threading
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_management_pb2

from serving.client import Client
from serving.server.execution.servable import Servable
from serving.server.lifecycle.manager import ManagerOptions
from serving.server.protocol import model_server
from serving.server.protocol.model_server import DRAIN_SECONDS
from serving.server.protocol.rest import RestOptions
from tests.serving.conftest import HeldRuns
from tests.serving.models import predict_request
from tests.serving.servers import LOCAL, Served, serve, until

CLIENTS = 32
PREDICT = "/tensorflow.serving.PredictionService/Predict"


@pytest.fixture
def server(doubler_versions: pathlib.Path) -> Iterator[Served]:
    with serve({"m": doubler_versions}, options=dataclasses.replace(LOCAL, health=True)) as running:
        yield running


class Busy:
    """Threads that call again after each response, until a call fails or they end."""

    def __init__(self, open_call: Callable[[], Callable[[], object]]) -> None:
        """Starts the threads, and returns when each has a response.

        Args:
          open_call: makes the call of a thread; each thread has its own.
        """
        self.errors: list[grpc.RpcError] = []
        self._answers: list[object] = []
        self._open_call, self._ended = open_call, threading.Event()
        self._answered = threading.Barrier(CLIENTS + 1)
        self._threads = [threading.Thread(target=self._send_calls) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        self._answered.wait(60)

    def _send_calls(self) -> None:
        call = self._open_call()
        self._answers.append(call())
        self._answered.wait(60)
        while not self._ended.is_set():
            try:
                self._answers.append(call())
            except grpc.RpcError as error:
                self.errors.append(error)
                return

    @property
    def answered(self) -> int:
        """The number of answered calls."""
        return len(self._answers)

    def end(self) -> None:
        """Ends the threads after their current calls."""
        self._ended.set()
        self.join()

    def join(self) -> None:
        """Waits until a call of each has failed."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def test_calls_that_have_begun_are_ended(doubler_versions: pathlib.Path) -> None:
    with serve({"m": doubler_versions}, managing=ManagerOptions()) as running:
        begun = threading.Event()
        original = Servable.run

        def run(self: Servable, feeds: object, fetches: object) -> object:
            begun.set()
            return original(self, feeds, fetches)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Servable, "run", run)
            request = predict_request("m", {"x": [500.0]}, signature="slow")
            call = running.predictions.Predict.future(request)
            assert begun.wait(30)
            running.server.stop()
        assert call.result().outputs["y"].float_val == [500.0]
        with pytest.raises(grpc.RpcError) as caught:
            running.predictions.Predict(request)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_new_calls_are_unavailable_while_running_calls_end(
    server: Served, held_runs: HeldRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_server, "GRACE_SECONDS", 0.0)  # A running call has more time.
    predict, request = server.predictions.Predict, predict_request("m", {"x": [1.0]})
    call = predict.future(request)
    assert held_runs.started.wait(30)
    stopping = threading.Thread(target=server.server.stop)
    stopping.start()
    calls = iter(functools.partial(predict, request, timeout=20), None)
    with pytest.raises(grpc.RpcError) as caught:
        list(calls)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert caught.value.details() == "The server is stopping"
    assert not call.done()
    held_runs.go.set()
    assert call.result(60).outputs["y"].float_val == [2.0]
    stopping.join()


REST_PATH = "/v1/models/m:predict"


def test_open_rest_connections_get_an_answer_and_then_end(
    doubler_versions: pathlib.Path, held_runs: HeldRuns
) -> None:
    options = dataclasses.replace(LOCAL, rest_port=0)
    with serve({"m": doubler_versions}, options=options) as server, contextlib.ExitStack() as stack:

        def connect() -> http.client.HTTPConnection:
            address = ("127.0.0.1", server.server.rest_port)
            return stack.enter_context(
                contextlib.closing(http.client.HTTPConnection(*address, timeout=60))
            )

        # A running call, and a connection that waits for its next request.
        running, open_before = connect(), connect()
        open_before.request("GET", "/v1/models/m")
        assert open_before.getresponse().read()
        running.request("POST", REST_PATH, b'{"instances": [1.0]}')
        assert held_runs.started.wait(30)
        stopping = threading.Thread(target=server.server.stop)
        stopping.start()

        def refused() -> bool:
            try:
                connect().connect()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                pass  # The port closes at this moment.
            return False

        until(refused)
        open_before.request("POST", REST_PATH, b'{"instances": [2.0]}')
        answers = [open_before.getresponse()]
        held_runs.go.set()
        answers.append(running.getresponse())
        for answer, y in zip(answers, (b'"y": 4.0', b'"y": 2.0'), strict=True):
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert y in answer.read()
        stopping.join()


def test_stopping_counts_the_calls_of_both_ports(
    doubler_versions: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = dataclasses.replace(LOCAL, rest_port=0, rest=RestOptions(metrics_path="/metrics"))
    with (
        serve({"m": doubler_versions}, options=options) as server,
        caplog.at_level("INFO", logger="absl"),
    ):
        server.predictions.Predict(predict_request("m", {"x": [1.0]}))
        for path in ("/v1/models/m", "/v1/nothing", "/metrics", "/"):
            with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", server.server.rest_port)
            ) as connection:
                connection.request("GET", path)
                connection.getresponse().read()
        server.server.stop()
    assert "Stopped after 3 calls, 0 refused" in caplog.text


def test_a_call_is_answered_or_never_begun(server: Served) -> None:
    content = predict_request("m", {"x": [1.0]}).SerializeToString()
    channels = []

    def open_call() -> Callable[[], object]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.insecure_channel(server.address, options))
        call = channels[-1].unary_unary(PREDICT)
        return lambda: call(content)

    clients = Busy(open_call)
    server.server.stop()
    clients.join()
    for channel in channels:
        channel.close()
    codes = [error.code() for error in clients.errors]
    assert codes == [grpc.StatusCode.UNAVAILABLE] * CLIENTS
    assert server.metrics.request_count.total("m", "OK") == clients.answered


def test_one_of_two_servers_stops_and_no_call_fails(
    server: Served, doubler_versions: pathlib.Path
) -> None:
    with (
        serve({"m": doubler_versions}) as other,
        Client(f"{server.address},{other.address}", model="m") as client,
    ):
        x = np.ones(1, np.float32)
        clients = Busy(lambda: lambda: client.predict("serving_default", {"x": x}))
        server.server.stop()
        clients.end()
    assert not clients.errors


def test_health_watch_gets_the_end_and_does_not_delay_it(server: Served) -> None:
    stub = health_pb2_grpc.HealthStub(server.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
    statuses = [next(watch).status]
    stopping = threading.Thread(target=server.server.stop)
    stopping.start()
    statuses.append(next(watch).status)
    stopping.join(DRAIN_SECONDS / 2)
    put_off = stopping.is_alive()
    watch.cancel()
    assert not put_off
    states = health_pb2.HealthCheckResponse
    assert statuses == [states.SERVING, states.NOT_SERVING]


def test_a_reload_that_waits_for_a_model_does_not_delay_the_stop(
    server: Served, tmp_path: pathlib.Path
) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.add(
        name="late", base_path=str(tmp_path / "missing"), model_platform="tensorflow"
    )
    call = server.models.HandleReloadConfigRequest.future(request)
    until(lambda: server.manager.knows("late"))
    server.server.stop()
    with pytest.raises(grpc.RpcError) as caught:
        call.result(60)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert caught.value.details() == "The server is stopping"
