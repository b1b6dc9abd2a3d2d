"""Serves exported models over gRPC as tensorflow_model_server does.

Example:
  python -m serving.server --model_name=digits --model_base_path=$PWD/exports/digits --port=8500
"""

import os
import pathlib
import signal
import threading
from concurrent import futures

import grpc
from absl import flags

from serving import program

# After `program`, which quiets TensorFlow's start-up notices.
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.server.library import Library, newest_version
from serving.server.servable import Servable
from serving.server.services import ModelService, PredictionService

FLAGS = flags.FLAGS
flags.DEFINE_integer("port", 8500, "of gRPC, on all IPv4 addresses", 1, 65535)
flags.DEFINE_string("model_name", "default", "under which requests ask for the model")
flags.DEFINE_string("model_base_path", "", "absolute path of the folder that holds the versions")
flags.DEFINE_integer(
    "grpc_max_threads", 4 * (os.cpu_count() or 1), "requests worked on at the same time", 1
)

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
DRAIN_SECONDS = 30.0


def main() -> None:
    """Loads the newest version, opens the port, serves until SIGTERM or SIGINT."""
    tf.get_logger().setLevel("ERROR")  # Loading into a session is deprecated, and meant here.
    library = Library([_load(FLAGS.model_name, FLAGS.model_base_path)])
    server = grpc.server(
        futures.ThreadPoolExecutor(FLAGS.grpc_max_threads),
        options=[*UNLIMITED, ("grpc.so_reuseport", 0)],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(library), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(library), server)
    address = f"0.0.0.0:{FLAGS.port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise program.UsageError(f"--port: must be free, got {FLAGS.port}") from error
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    server.start()
    print(f"Running gRPC ModelServer at {address} ...", flush=True)
    asked_to_stop.wait()
    server.stop(DRAIN_SECONDS).wait()


def _load(name: str, base_path: str) -> Servable:
    path = pathlib.Path(base_path)
    if not base_path or not path.is_absolute() or not path.is_dir():
        rule = "must be the absolute path of a folder"
        raise program.UsageError(f"--model_base_path: {rule}, got {base_path!r}")
    newest = newest_version(path)
    if newest is None:
        rule = "must hold a version, a folder named by a number such as 1"
        raise program.UsageError(f"--model_base_path: {rule}, got {base_path}")
    version, folder = newest
    try:
        servable = Servable(folder, name=name, version=version)
    except (OSError, tf.errors.OpError) as error:
        rule = f"version {version} must be a SavedModel"
        raise program.UsageError(f"--model_base_path: {rule}, got {error}") from error
    print(f"Loaded {name} version {version} from {folder}", flush=True)
    return servable


if __name__ == "__main__":
    program.run(main)
