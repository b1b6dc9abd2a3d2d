"""Loads a version from its folder, and runs its warm-up requests."""

import dataclasses
import time
from collections.abc import Sequence

from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import predict_pb2

from serving.server.execution.runner import Runner
from serving.server.execution.servable import SERVE_TAGS, Servable, plan_of_request
from serving.server.lifecycle import warmup
from serving.server.monitoring import Metrics
from serving.server.status import from_exception


@dataclasses.dataclass(frozen=True)
class Loader:
    """Loads versions for a manager.

    Attributes:
      runner: runs the warm-up requests.
      metrics: record the warm-up requests.
      tags: tags of the graph in the SavedModel.
      session_config: threads and devices; None for TensorFlow's defaults.
      warmup_iterations: runs of each warm-up request; 0 for no warm-up.
    """

    runner: Runner
    metrics: Metrics
    tags: Sequence[str] = SERVE_TAGS
    session_config: config_pb2.ConfigProto | None = None
    warmup_iterations: int = 1

    def __call__(self, name: str, version: int, path: str) -> Servable:
        """Loads a version.

        Raises:
          StatusError, OSError, tf.errors.OpError: the version cannot be loaded, or a warm-up
            request fails.
        """
        servable = Servable(
            path, name=name, version=version, tags=self.tags, session_config=self.session_config
        )
        if self.warmup_iterations:
            try:
                self._warm_up(servable)
            except BaseException:
                servable.close()
                raise
        return servable

    def _warm_up(self, servable: Servable) -> None:
        def run(request: predict_pb2.PredictRequest) -> None:
            self.runner.submit(servable, plan_of_request(servable, request)).result()

        began, status = time.perf_counter(), "OK"
        try:
            count = warmup.replay(servable.path, run, iterations=self.warmup_iterations)
            self.metrics.model_warmup_records_read.add(servable.path, by=count)
        except Exception as error:
            status = from_exception(error).code.name
            raise
        finally:
            microseconds = 1e6 * (time.perf_counter() - began)
            self.metrics.model_warmup_latency.observe(microseconds, servable.path, status)
