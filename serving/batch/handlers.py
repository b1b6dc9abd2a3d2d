"""Model handlers of Beam's RunInference whose elements are blocks."""

import concurrent.futures
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from serving.batch.drawing import Model, Painter, RowError
from serving.batch.models import SIGNATURE
from serving.batch.rows import Block, DrawnBlock
from serving.client import Client
from serving.program import UsageError

# What a model or server answers to a row that it cannot take, whenever it is asked.
_SERVER_REFUSALS = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"}
_TF_REFUSALS = {
    "InvalidArgumentError",
    "FailedPreconditionError",
    "OutOfRangeError",
    "UnimplementedError",
}
_WHOLE_BLOCKS = 1


class _BlockHandler(ModelHandler[Block, DrawnBlock, Any]):
    """What both have in common: so many blocks are taken at a time."""

    def __init__(self, painter: Painter, *, blocks: int) -> None:
        super().__init__(min_batch_size=blocks, max_batch_size=blocks)
        self._painter = painter

    def get_num_bytes(self, batch: Sequence[Block]) -> int:
        """Of the captions, for Beam's metrics."""
        return sum(len(row.caption or b"") for block in batch for row in block.rows)


class ExportHandler(_BlockHandler):
    """Loads the SavedModel, once in each process."""

    def __init__(self, version: str, painter: Painter, *, threads: int | None = None) -> None:
        """Remembers what is to be loaded.

        Args:
          version: folder of the SavedModel.
          painter: draws blocks with it.
          threads: that TensorFlow may use for an op; None: as many as there are processors.
        """
        super().__init__(painter, blocks=_WHOLE_BLOCKS)
        self._version, self._threads = version, threads

    def load_model(self) -> Model:
        """Loads it."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        return _Export(self._version, threads=self._threads)

    def run_inference(
        self,
        batch: Sequence[Block],
        model: Model,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[DrawnBlock]:
        """Draws blocks, one after the other."""
        return [self._painter.draw(model, block) for block in batch]


class ServerHandler(_BlockHandler):
    """Asks a server for every block; a few of them at the same time."""

    def __init__(
        self,
        target: str,
        model: str,
        painter: Painter,
        *,
        concurrent_requests: int,
        timeout_seconds: float,
    ) -> None:
        """Remembers who is to be asked.

        Args:
          target: host:port, or several of them that take turns.
          model: its name on the servers.
          painter: draws blocks with it.
          concurrent_requests: that a process makes.
          timeout_seconds: of a request, with all its attempts.
        """
        super().__init__(painter, blocks=concurrent_requests)
        self._target, self._model = target, model
        self._concurrent_requests, self._timeout_seconds = concurrent_requests, timeout_seconds

    def load_model(self) -> "_Served":
        """Opens the connection."""
        return _Served(
            Client(self._target, model=self._model, timeout_seconds=self._timeout_seconds),
            threads=self._concurrent_requests,
        )

    def run_inference(
        self,
        batch: Sequence[Block],
        model: "_Served",
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[DrawnBlock]:
        """Draws blocks, all at the same time.

        Raises:
          UsageError: the servers are away.
        """
        try:
            return list(model.pool.map(lambda block: self._painter.draw(model, block), batch))
        except grpc.RpcError as error:
            told = f"{error.code().name}: {error.details()} from {self._target}"
            rule = f"must go on serving the model {self._model} (then --resume)"
            raise UsageError(f"--target: {rule}, got {told}") from error


class _Export:
    """A SavedModel that is loaded."""

    def __init__(self, version: str, *, threads: int | None) -> None:
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  Its ops are in the graphs of exports.

        if threads is not None:
            _limit_threads(tf, threads)
        self._tf = tf
        self._model = tf.saved_model.load(version)
        self._generate = self._model.signatures[SIGNATURE]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        tf = self._tf
        try:
            outputs = self._generate(**{name: tf.constant(inputs[name]) for name in inputs})
        except tf.errors.OpError as error:
            if type(error).__name__ not in _TF_REFUSALS:
                raise
            rule = "caption: must be one that the model draws"
            raise RowError(f"{rule}, got {error.message:.200}") from error
        return {name: output.numpy() for name, output in outputs.items()}


_threads_lock = threading.Lock()


def _limit_threads(tf: Any, threads: int) -> None:
    """Bounds the threads of TensorFlow; who comes after its start has what is."""
    with _threads_lock:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)


class _Served:
    """A model behind a server, and the threads that ask for it."""

    def __init__(self, client: Client, *, threads: int) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(threads, "generate")
        self._client = client

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        try:
            return self._client.predict(SIGNATURE, inputs)
        except grpc.RpcError as error:
            if error.code().name not in _SERVER_REFUSALS:
                raise
            rule = "caption: must be one that the model draws"
            raise RowError(f"{rule}, got {error.details():.200}") from error
