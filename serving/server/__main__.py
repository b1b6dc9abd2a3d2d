"""Serves exported models over gRPC as tensorflow_model_server does.

Example:
  python -m serving.server --model_name=digits --model_base_path=$PWD/exports/digits --port=8500
"""

import os

from absl import flags

from serving import program
from serving.server import model_server

FLAGS = flags.FLAGS
flags.DEFINE_integer("port", 8500, "of gRPC, on all IPv4 addresses", 1, 65535)
flags.DEFINE_string("model_name", "default", "under which requests ask for the model")
flags.DEFINE_string("model_base_path", "", "absolute path of the folder that holds the versions")
flags.DEFINE_integer(
    "grpc_max_threads", 4 * (os.cpu_count() or 1), "requests worked on at the same time", 1
)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    servable = model_server.load(FLAGS.model_name, FLAGS.model_base_path)
    model_server.serve([servable], port=FLAGS.port, threads=FLAGS.grpc_max_threads)


if __name__ == "__main__":
    program.run(main)
