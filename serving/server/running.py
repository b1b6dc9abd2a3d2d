"""Where a plan is run: at once on a thread, or merged with others (`batching`)."""

import time
from collections.abc import Mapping
from concurrent import futures
from typing import Protocol

import numpy as np

from serving.server.monitoring import Metrics
from serving.server.servable import Plan, Servable

Outputs = Mapping[str, np.ndarray]


class Runner(Protocol):
    """Runs plans."""

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

    def submit(self, servable: Servable, plan: Plan) -> "futures.Future[Outputs]":
        """See `Runner`."""
        return self._pool.submit(self._run, servable, plan)

    def _run(self, servable: Servable, plan: Plan) -> Outputs:
        began = time.perf_counter()
        values = servable.run(plan.feeds, plan.fetch_names)
        observe_run(self._metrics, servable, time.perf_counter() - began)
        return plan.outputs(values)

    def close(self) -> None:
        """See `Runner`."""
        self._pool.shutdown()


def observe_run(metrics: Metrics, servable: Servable, seconds: float) -> None:
    """Counts the time of a run."""
    metrics.runtime_latency.observe(1e6 * seconds, servable.name, "Predict", "TF2")
