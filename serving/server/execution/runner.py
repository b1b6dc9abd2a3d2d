"""Runners of plans: one plan per thread, or merged into batches (see `batching`)."""

import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Protocol

import numpy as np

from serving.server.execution.servable import RunPlan, Servable
from serving.server.monitoring import Metrics

OutputArrays = Mapping[str, np.ndarray]


class Runner(Protocol):
    """Runs plans.

    Attributes:
      on_results: called by a worker thread after it has set results, once per batch.
    """

    on_results: Callable[[], None]

    def submit(self, servable: Servable, plan: RunPlan) -> "futures.Future[OutputArrays]":
        """Queues a plan.

        Returns:
          A future of arrays by output name; a plan cancelled before its run is not computed.

        Raises:
          StatusError: the plan cannot be queued.
        """

    def close(self) -> None:
        """Runs the queued plans, then ends the threads."""


class DirectRunner:
    """Runs every plan separately, without batching."""

    def __init__(self, threads: int, metrics: Metrics) -> None:
        """Creates a runner that runs up to `threads` plans at the same time."""
        self._pool = futures.ThreadPoolExecutor(threads, "run")
        self._metrics = metrics
        self.on_results: Callable[[], None] = lambda: None

    def submit(self, servable: Servable, plan: RunPlan) -> "futures.Future[OutputArrays]":
        """See `Runner`."""
        future: futures.Future[OutputArrays] = futures.Future()
        self._pool.submit(self._run, servable, plan, future)
        return future

    def _run(
        self, servable: Servable, plan: RunPlan, future: "futures.Future[OutputArrays]"
    ) -> None:
        if not future.set_running_or_notify_cancel():
            return
        began = time.perf_counter()
        try:
            values = servable.run(plan.feeds, plan.fetch_names)
            observe_run(self._metrics, servable, time.perf_counter() - began)
            future.set_result(plan.outputs(values))
        except Exception as error:
            future.set_exception(error)
        self.on_results()

    def close(self) -> None:
        """See `Runner`."""
        self._pool.shutdown()


def observe_run(metrics: Metrics, servable: Servable, seconds: float) -> None:
    """Records the duration of a run."""
    metrics.runtime_latency.observe(1e6 * seconds, servable.name, "Predict", "TF2")
