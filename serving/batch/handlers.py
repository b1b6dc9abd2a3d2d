"""Model handlers of Beam's RunInference: draw blocks and write their pictures."""

import concurrent.futures
import gc
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from serving.batch import block_generator
from serving.batch.block_generator import RowError
from serving.batch.job_folder import JobFolder
from serving.batch.models import SIGNATURE, ServerSource
from serving.batch.rows import Block, WrittenBlock
from serving.client import Client
from serving.program import UsageError

# Error codes of a row that the model or the server always refuses; gRPC's equal TensorFlow's.
_REFUSALS = {
    grpc.StatusCode[name].value[0]
    for name in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED")
}
_ROW_RULE = "caption: must be one that the model draws"
# While one block is written, or runs a single-threaded op, the other uses the other processors.
_CONCURRENT_BLOCKS = 2
_threads_lock = threading.Lock()


class _BlockHandler(ModelHandler[Block, WrittenBlock, Any]):
    """Base class of both handlers: draws and writes the blocks of a batch at the same time.

    Attributes:
      concurrent_blocks: blocks of a batch.
    """

    def __init__(self, job_folder: JobFolder, *, concurrent_blocks: int) -> None:
        super().__init__()
        self.concurrent_blocks = concurrent_blocks
        self._job_folder = job_folder

    def should_skip_batching(self) -> bool:
        """Says that the inputs are batches: Beam's batching loses blocks on the DaskRunner."""
        return True

    def run_inference(
        self,
        batch: Sequence[Block],
        model: "_LoadedModel | _RemoteModel",
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[WrittenBlock]:
        """Draws and writes all blocks at the same time, and waits for all of them."""

        def made(block: Block) -> WrittenBlock:
            results = block_generator.generate(self._job_folder.job, model, block)
            return self._job_folder.write_block(block, results)

        # Wait for all: if one fails, no other may still write after the job has ended.
        futures = [model.pool.submit(made, block) for block in batch]
        concurrent.futures.wait(futures)
        return [future.result() for future in futures]

    def get_num_bytes(self, batch: Sequence[Block]) -> int:
        """The total length of the captions in bytes, for Beam's metrics."""
        return sum(len(row.caption or b"") for block in batch for row in block.rows)


class ExportHandler(_BlockHandler):
    """Draws with a SavedModel, loaded once per process."""

    def __init__(self, version: str, job_folder: JobFolder, *, threads: int | None = None) -> None:
        """Stores the arguments; loads nothing yet.

        Args:
          version: folder of the SavedModel.
          job_folder: receives the pictures.
          threads: intra-op threads of TensorFlow; None: one per processor.
        """
        super().__init__(job_folder, concurrent_blocks=1 if threads == 1 else _CONCURRENT_BLOCKS)
        self._version, self._threads = version, threads

    def load_model(self) -> "_LoadedModel":
        """Loads the SavedModel."""
        # Disable garbage collection, then freeze all objects: loaded objects stay anyway.
        enabled = gc.isenabled()
        gc.disable()
        try:
            return _LoadedModel(self._version, threads=self._threads, blocks=self.concurrent_blocks)
        finally:
            gc.freeze()
            if enabled:
                gc.enable()


class ServerHandler(_BlockHandler):
    """Draws with a model server, with several concurrent requests."""

    def __init__(self, source: ServerSource, job_folder: JobFolder) -> None:
        """Stores the arguments; connects to no server yet.

        Args:
          source: the model on a server.
          job_folder: receives the pictures.
        """
        super().__init__(job_folder, concurrent_blocks=source.concurrent_requests)
        self._source = source

    def load_model(self) -> "_RemoteModel":
        """Creates the client."""
        return _RemoteModel(self._source)


class _LoadedModel:
    """A loaded SavedModel, and the threads that draw with it."""

    def __init__(self, version: str, *, threads: int | None, blocks: int) -> None:
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  Registers the ops of exported graphs.

        # TensorFlow's intra-op threads can be set only before TensorFlow's start.
        with _threads_lock:
            limit = tf.config.threading.get_intra_op_parallelism_threads()
            if threads is not None and limit != threads:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        self.pool = concurrent.futures.ThreadPoolExecutor(blocks, "generate")
        self._tf = tf
        try:
            self._model = tf.saved_model.load(version)
            self._generate = self._model.signatures[SIGNATURE]
        except Exception as error:  # A damaged SavedModel raises errors of nearly any type.
            rule = "must hold a whole version, as tools.export writes"
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UsageError(f"--export_dir: {rule}, got {version} ({reason:.200})") from error

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        tf = self._tf
        try:
            outputs = self._generate(**{name: tf.constant(inputs[name]) for name in inputs})
        except tf.errors.OpError as error:
            if error.error_code not in _REFUSALS:
                raise
            raise RowError(f"{_ROW_RULE}, got {error.message:.200}") from error
        return {name: output.numpy() for name, output in outputs.items()}


class _RemoteModel:
    """A model on a server, and the threads that send requests."""

    def __init__(self, source: ServerSource) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(source.concurrent_requests, "generate")
        self._source = source
        self._client = Client(
            source.target, model=source.model, timeout_seconds=source.timeout_seconds
        )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        try:
            return self._client.predict(SIGNATURE, inputs)
        except grpc.RpcError as error:
            if error.code().value[0] not in _REFUSALS:
                status = f"{error.code().name}: {error.details()} from {self._source.target}"
                rule = f"must go on serving the model {self._source.model} (then --resume)"
                raise UsageError(f"--target: {rule}, got {status}") from error
            raise RowError(f"{_ROW_RULE}, got {error.details():.200}") from error
