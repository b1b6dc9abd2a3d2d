"""Servers in the test's process."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.server.execution.batch_options import BatchOptions
from serving.server.execution.batching import BatchingRunner
from serving.server.execution.runner import DirectRunner, Runner
from serving.server.lifecycle.loading import Loader
from serving.server.lifecycle.manager import Manager, ManagerOptions
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.monitoring import Metrics
from serving.server.protocol.model_server import ModelServer, ServerOptions

LOCAL = ServerOptions(host="127.0.0.1", port=0)
# The manager polls only when a test calls `configure`.
UNPOLLED = ManagerOptions(poll_wait_seconds=0, max_load_retries=0)


@dataclasses.dataclass(frozen=True)
class Served:
    """A running server and its parts."""

    manager: Manager
    runner: Runner
    metrics: Metrics
    server: ModelServer
    channel: grpc.Channel

    @property
    def predictions(self) -> prediction_service_pb2_grpc.PredictionServiceStub:
        return prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    @property
    def models(self) -> model_service_pb2_grpc.ModelServiceStub:
        return model_service_pb2_grpc.ModelServiceStub(self.channel)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@contextlib.contextmanager
def serve(
    models: Mapping[str, object] | Sequence[ModelConfig],
    *,
    batching: BatchOptions | None = None,
    options: ServerOptions = LOCAL,
    managing: ManagerOptions = UNPOLLED,
) -> Iterator[Served]:
    """Serves models, given as configurations or as base paths by name."""
    if isinstance(models, Mapping):
        models = [ModelConfig(name=name, base_path=str(path)) for name, path in models.items()]
    metrics = Metrics()
    runner: Runner = (
        DirectRunner(4, metrics) if batching is None else BatchingRunner(batching, metrics)
    )
    manager = Manager(Loader(runner=runner, metrics=metrics), managing)
    try:
        manager.configure(models, starting=True).result()
        server = ModelServer(manager, runner, metrics, options)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                yield Served(manager, runner, metrics, server, channel)
        finally:
            server.stop()
    finally:
        manager.close()
        runner.close()


def until(promise: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    ends = time.monotonic() + 60
    while not promise():
        assert time.monotonic() < ends
        threading.Event().wait(0.005)


def states(manager: Manager, model: str) -> dict[int, str]:
    """State names by version, the newest first."""
    return {status.version: status.state.name for status in manager.statuses(model)}
