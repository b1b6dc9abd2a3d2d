"""Where a plan is run: at once on a thread, or merged with others (`batching`)."""

import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Protocol

import numpy as np

from serving.server.monitoring import Metrics
from serving.server.servable import Plan, Servable

Outputs = Mapping[str, np.ndarray]


class Runner(Protocol):
    """Runs plans.

    Attributes:
      on_results: called by the thread that has set results, once for all that came together.
    """

    on_results: Callable[[], None]

    def submit(self, servable: Servable, plan: Plan) -> "futures.Future[Outputs]":
        """Queues a plan.

        Returns:
          Arrays by output name; cancelled before it runs, it costs nothing.

        Raises:
          StatusError: it cannot be queued.
        """

    def close(self) -> None:
        """Ends the threads, after what is queued."""


class DirectRunner:
    """Runs every plan for itself."""

    def __init__(self, threads: int, metrics: Metrics) -> None:
        """Runs as many plans at the same time as there are threads."""
        self._pool = futures.ThreadPoolExecutor(threads, "run")
        self._metrics = metrics
        self.on_results: Callable[[], None] = lambda: None

    def submit(self, servable: Servable, plan: Plan) -> "futures.Future[Outputs]":
        """See `Runner`."""
        future: futures.Future[Outputs] = futures.Future()
        self._pool.submit(self._run, servable, plan, future)
        return future

    def _run(self, servable: Servable, plan: Plan, future: "futures.Future[Outputs]") -> None:
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
    """Counts the time of a run."""
    metrics.runtime_latency.observe(1e6 * seconds, servable.name, "Predict", "TF2")
