"""From a folder of versions to an open port, and back to a quiet end."""

import pathlib
import signal
import threading
from collections.abc import Sequence
from concurrent import futures

import grpc
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.program import UsageError
from serving.server.manager import Manager, newest_version
from serving.server.servable import Servable
from serving.server.services import ModelService, PredictionService

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
DRAIN_SECONDS = 30.0


def load(name: str, base_path: str) -> Servable:
    """Loads the newest version of a model.

    Args:
      name: of the model.
      base_path: absolute path of the folder that holds its versions.

    Raises:
      UsageError: there is none.
    """
    path = pathlib.Path(base_path)
    if not path.is_absolute() or not path.is_dir():
        rule = "must be the absolute path of a folder"
        raise UsageError(f"--model_base_path: {rule}, got {base_path!r}")
    newest = newest_version(path)
    if newest is None:
        rule = "must hold a version, a folder named by a number such as 1"
        raise UsageError(f"--model_base_path: {rule}, got {base_path}")
    version, folder = newest
    tf.get_logger().setLevel("ERROR")  # Loading into a session is deprecated, and meant here.
    try:
        servable = Servable(folder, name=name, version=version)
    except (OSError, tf.errors.OpError) as error:
        rule = f"version {version} must be a SavedModel"
        raise UsageError(f"--model_base_path: {rule}, got {error}") from error
    print(f"Loaded {name} version {version} from {folder}", flush=True)
    return servable


def serve(servables: Sequence[Servable], *, port: int, threads: int) -> None:
    """Answers until SIGTERM or SIGINT, then ends what it has begun.

    Args:
      servables: loaded models.
      port: of gRPC, on all IPv4 addresses.
      threads: requests worked on at the same time.

    Raises:
      UsageError: the port is taken.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(threads), options=[*UNLIMITED, ("grpc.so_reuseport", 0)]
    )
    manager = Manager(servables)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(manager), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(manager), server)
    address = f"0.0.0.0:{port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise UsageError(f"--port: must be free, got {port}") from error
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    server.start()
    print(f"Running gRPC ModelServer at {address} ...", flush=True)
    asked_to_stop.wait()
    server.stop(DRAIN_SECONDS).wait()
