"""Model handlers of Beam's RunInference: draw blocks and write their pictures."""

import concurrent.futures
import contextlib
import gc
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from serving.batch.block_generator import BlockGenerator, RowError
from serving.batch.job_folder import JobFolder
from serving.batch.models import SIGNATURE
from serving.batch.rows import Block, WrittenBlock
from serving.client import Client
from serving.program import UsageError

# Error codes of a row that the model or the server always refuses.
_SERVER_REFUSALS = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"}
_TF_REFUSALS = {
    "InvalidArgumentError",
    "FailedPreconditionError",
    "OutOfRangeError",
    "UnimplementedError",
}
_ROW_RULE = "caption: must be one that the model draws"
# While one block is written, or runs a single-threaded op, the other uses the other processors.
_CONCURRENT_BLOCKS = 2


class _BlockHandler(ModelHandler[Block, WrittenBlock, Any]):
    """Base class of both handlers: draws and writes `blocks` blocks at the same time."""

    def __init__(self, generator: BlockGenerator, job_folder: JobFolder, *, blocks: int) -> None:
        super().__init__(min_batch_size=blocks, max_batch_size=blocks)
        self._generator, self._job_folder, self._blocks = generator, job_folder, blocks

    def run_inference(
        self,
        batch: Sequence[Block],
        model: "_LoadedModel | _RemoteModel",
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[WrittenBlock]:
        """Draws and writes all blocks at the same time, and waits for all of them."""

        def made(block: Block) -> WrittenBlock:
            return self._job_folder.write_block(self._generator.generate(model, block))

        # Wait for all: if one fails, no other may still write after the job has ended.
        futures = [model.pool.submit(made, block) for block in batch]
        concurrent.futures.wait(futures)
        return [future.result() for future in futures]

    def get_num_bytes(self, batch: Sequence[Block]) -> int:
        """The total length of the captions in bytes, for Beam's metrics."""
        return sum(len(row.caption or b"") for block in batch for row in block.rows)


class ExportHandler(_BlockHandler):
    """Draws with a SavedModel, loaded once per process."""

    def __init__(
        self,
        version: str,
        generator: BlockGenerator,
        job_folder: JobFolder,
        *,
        threads: int | None = None,
    ) -> None:
        """Stores the arguments; loads nothing yet.

        Args:
          version: folder of the SavedModel.
          generator: draws blocks with the model.
          job_folder: receives the pictures.
          threads: intra-op threads of TensorFlow; None: one per processor.
        """
        super().__init__(generator, job_folder, blocks=1 if threads == 1 else _CONCURRENT_BLOCKS)
        self._version, self._threads = version, threads

    def load_model(self) -> "_LoadedModel":
        """Loads the SavedModel."""
        # A worker process of Beam has not run the entry of the program.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
        with _uncollected():
            return _LoadedModel(self._version, threads=self._threads, blocks=self._blocks)


class ServerHandler(_BlockHandler):
    """Draws with a model server, with several concurrent requests."""

    def __init__(
        self,
        target: str,
        model: str,
        generator: BlockGenerator,
        job_folder: JobFolder,
        *,
        concurrent_requests: int,
        timeout_seconds: float,
    ) -> None:
        """Stores the arguments; connects to no server yet.

        Args:
          target: host:port, or several separated by commas; requests rotate over them.
          model: name of the model on the servers.
          generator: draws blocks with the model.
          job_folder: receives the pictures.
          concurrent_requests: requests at the same time, per process.
          timeout_seconds: limit of a request, with all its attempts.
        """
        super().__init__(generator, job_folder, blocks=concurrent_requests)
        self._target, self._model = target, model
        self._timeout_seconds = timeout_seconds

    def load_model(self) -> "_RemoteModel":
        """Creates the client."""
        return _RemoteModel(
            self._target,
            self._model,
            timeout_seconds=self._timeout_seconds,
            blocks=self._blocks,
        )


class _LoadedModel:
    """A loaded SavedModel, and the threads that draw with it."""

    def __init__(self, version: str, *, threads: int | None, blocks: int) -> None:
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  Registers the ops of exported graphs.

        if threads is not None:
            _limit_threads(tf, threads)
        self.pool = concurrent.futures.ThreadPoolExecutor(blocks, "generate")
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
            raise RowError(f"{_ROW_RULE}, got {error.message:.200}") from error
        return {name: output.numpy() for name, output in outputs.items()}


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Disables garbage collection, then freezes all objects: loaded objects stay anyway."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


_threads_lock = threading.Lock()


def _limit_threads(tf: Any, threads: int) -> None:
    """Sets TensorFlow's intra-op threads if they differ; works only before TensorFlow's start."""
    with _threads_lock:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)


class _RemoteModel:
    """A model on a server, and the threads that send requests."""

    def __init__(self, target: str, model: str, *, timeout_seconds: float, blocks: int) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(blocks, "generate")
        self._target, self._model = target, model
        self._client = Client(target, model=model, timeout_seconds=timeout_seconds)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        try:
            return self._client.predict(SIGNATURE, inputs)
        except grpc.RpcError as error:
            if error.code().name not in _SERVER_REFUSALS:
                status = f"{error.code().name}: {error.details()} from {self._target}"
                rule = f"must go on serving the model {self._model} (then --resume)"
                raise UsageError(f"--target: {rule}, got {status}") from error
            raise RowError(f"{_ROW_RULE}, got {error.details():.200}") from error
