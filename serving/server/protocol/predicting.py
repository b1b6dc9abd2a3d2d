"""Runs predict requests from gRPC and REST."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from tensorflow_serving.apis import model_pb2

from serving.server.execution.runner import Runner
from serving.server.execution.servable import RunPlan, Servable
from serving.server.lifecycle.manager import Manager
from serving.server.monitoring import Metrics
from serving.server.protocol.loop_bridge import LoopBridge
from serving.server.status import from_exception, invalid_argument

LARGE_BYTES = 2**18
UNKNOWN_MODEL = ""
_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The result of a request: the version that answered, and arrays by output name."""

    version: int
    outputs: Mapping[str, np.ndarray]


class Predictor:
    """Answers predict requests with the models of a manager."""

    def __init__(
        self,
        manager: Manager,
        runner: Runner,
        metrics: Metrics,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Runs the requests of `loop`'s coroutines with the runner, on the manager's models."""
        self._manager, self._runner, self._metrics = manager, runner, metrics
        self._bridge = LoopBridge(loop)
        runner.on_results = self._bridge.wake

    @contextlib.contextmanager
    def counted(
        self, name: str, entrypoint: str, *, is_expired: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Counts a request under the status in which the block ends, and measures its time.

        Args:
          name: name of the model.
          entrypoint: GRPC or REST.
          is_expired: whether a cancelled request is past its deadline.
        """
        began, status = time.perf_counter(), "OK"
        try:
            yield
        except asyncio.CancelledError:
            status = "DEADLINE_EXCEEDED" if is_expired() else "CANCELLED"
            raise
        except Exception as error:
            status = from_exception(error).code.name
            raise
        finally:
            # Unknown models share one label, since metrics never free a label.
            name = name if self._manager.knows(name) else UNKNOWN_MODEL
            self._metrics.request_count.add(name, status)
            if status == "OK":
                microseconds = 1e6 * (time.perf_counter() - began)
                self._metrics.request_latency.observe(microseconds, name, "Predict", entrypoint)

    async def predict(
        self,
        spec: model_pb2.ModelSpec,
        make_plan: Callable[[Servable], RunPlan],
        *,
        size_bytes: int,
    ) -> Prediction:
        """Answers a request; a request cancelled before it runs is not computed.

        Args:
          spec: the model, and its version or label.
          make_plan: parses the request for the version that answers.
          size_bytes: size of the request.

        Raises:
          StatusError: the request is invalid, or its run fails.
        """
        lease = self._manager.acquire(spec)
        try:
            plan = await in_thread_if_large(size_bytes, lambda: make_plan(lease.servable))
            future = self._runner.submit(lease.servable, plan)
        except BaseException:
            lease.release()
            raise
        # Release with the future, not with this coroutine: a cancelled request may still run.
        future.add_done_callback(lambda _: lease.release())
        try:
            outputs = await self._bridge.result(future)
        except Exception as error:
            raise from_exception(error) from error
        rows = next((array.shape[0] for array in plan.feeds.values() if array.ndim), 1)
        self._metrics.request_example_counts.observe(rows, spec.name)
        return Prediction(lease.servable.version, outputs)


async def in_thread_if_large(size_bytes: int, work: Callable[[], _Result]) -> _Result:
    """Calls `work`, from 256 KiB on in a thread, so that the event loop is not blocked."""
    return work() if size_bytes < LARGE_BYTES else await asyncio.to_thread(work)


def check_spec(spec: model_pb2.ModelSpec | None) -> model_pb2.ModelSpec:
    """Returns `spec`, checked to name a model.

    Raises:
      StatusError: no model is named.
    """
    if spec is None:
        raise invalid_argument("Missing ModelSpec")
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    return spec
