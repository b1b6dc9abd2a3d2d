"""From a request to its outputs, however it came in."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from tensorflow_serving.apis import model_pb2, predict_pb2

from serving.server.arrivals import Arrivals
from serving.server.manager import Manager
from serving.server.monitoring import Metrics
from serving.server.running import Runner
from serving.server.servable import DEFAULT_SIGNATURE, Plan, Servable, parse_input
from serving.server.status import StatusError, from_exception, invalid_argument

LARGE_BYTES = 2**18
UNKNOWN_MODEL = ""
_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a request: the version that answered, and arrays by output name."""

    version: int
    outputs: Mapping[str, np.ndarray]


class Predictor:
    """Answers with the models of a manager."""

    def __init__(
        self,
        manager: Manager,
        runner: Runner,
        metrics: Metrics,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Runs what coroutines of a loop ask of the manager's models by the runner."""
        self._manager, self._runner, self._metrics = manager, runner, metrics
        self._arrivals = Arrivals(loop)
        runner.on_results = self._arrivals.wake

    async def predict(
        self,
        spec: model_pb2.ModelSpec,
        make_plan: Callable[[Servable], Plan],
        *,
        size_bytes: int,
        entrypoint: str,
    ) -> Answer:
        """Answers a request; cancelled before it runs, it costs nothing.

        Args:
          spec: the model.
          make_plan: reads the request for the version that will answer.
          size_bytes: of the request.
          entrypoint: GRPC or REST, for the metrics.

        Raises:
          StatusError: the request is wrong, or fails.
        """
        began, told = time.perf_counter(), "CANCELLED"
        try:
            answer = await self._predict(spec, make_plan, size_bytes)
            told = "OK"
            return answer
        except StatusError as error:
            told = error.code.name
            raise
        finally:
            # Not under every name that somebody may think of: a label is kept for ever.
            name = spec.name if self._manager.knows(spec.name) else UNKNOWN_MODEL
            self._metrics.request_count.add(name, told)
            if told == "OK":
                microseconds = 1e6 * (time.perf_counter() - began)
                self._metrics.request_latency.observe(microseconds, name, "Predict", entrypoint)

    async def _predict(
        self, spec: model_pb2.ModelSpec, make_plan: Callable[[Servable], Plan], size_bytes: int
    ) -> Answer:
        lease = self._manager.acquire(spec)
        try:
            plan = await aside_if_large(size_bytes, lambda: make_plan(lease.servable))
            future = self._runner.submit(lease.servable, plan)
        except BaseException:
            lease.release()
            raise
        # Not when this coroutine ends: a run goes on that nobody waits for any more.
        future.add_done_callback(lambda _: lease.release())
        try:
            outputs = await self._arrivals.result(future)
        except Exception as error:
            raise from_exception(error) from error
        rows = next((array.shape[0] for array in plan.feeds.values() if array.ndim), 1)
        self._metrics.request_example_counts.observe(rows, spec.name)
        return Answer(lease.servable.version, outputs)


async def aside_if_large(size_bytes: int, work: Callable[[], _Result]) -> _Result:
    """Does work at once where it is short, else on a thread: others are not to wait for it."""
    return work() if size_bytes < LARGE_BYTES else await asyncio.to_thread(work)


def plan_of_request(servable: Servable, request: predict_pb2.PredictRequest) -> Plan:
    """Reads a request.

    Raises:
      StatusError: it does not fit the model.
    """
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    servable.signature(signature)
    inputs = {alias: parse_input(alias, proto) for alias, proto in request.inputs.items()}
    return servable.plan(signature, inputs, request.output_filter)


def check_spec(spec: model_pb2.ModelSpec | None) -> model_pb2.ModelSpec:
    """The model that a request names.

    Raises:
      StatusError: it names none.
    """
    if spec is None:
        raise invalid_argument("Missing ModelSpec")
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    return spec
