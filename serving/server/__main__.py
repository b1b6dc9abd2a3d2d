"""Serves exported models over gRPC and REST, like tensorflow_model_server.

Example:
  python -m serving.server --model_name=digits --model_base_path=$PWD/exports/digits --port=8500
"""

import importlib.metadata
import os
import threading
import traceback

from serving import program
from serving.server import server_flags


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    # Imported here, so that help and flag errors do not wait for TensorFlow.
    from serving.server import command

    command.serve()


def _version() -> str:
    """The versions of this server and of TensorFlow, in the form of tensorflow_model_server."""
    import tensorflow as tf  # Here, so that help and flag errors do not wait for TensorFlow.

    try:
        own = importlib.metadata.version("tfgan2")
    except importlib.metadata.PackageNotFoundError:  # Runs in a checkout.
        own = "not installed"
    return f"TensorFlow ModelServer: tfgan2 {own}\nTensorFlow Library: {tf.__version__}"


def _run(groups: dict[str, list[str]]) -> None:
    """Runs `main`, and ends the process even if a load or a run of TensorFlow goes on.

    Nothing can interrupt these, and Python would wait for their threads.

    Args:
      groups: names of the flags by group, for the help.
    """
    try:
        program.run(
            main,
            help_groups=groups,
            unsupported=server_flags.UNSUPPORTED,
            answers={"version": _version},
        )
    except BaseException as error:
        others = set(threading.enumerate()) - {threading.main_thread()}
        if all(thread.daemon for thread in others):
            raise
        if not isinstance(error, SystemExit):
            traceback.print_exc()
            os._exit(1)
        os._exit(int(error.code or 0))


if __name__ == "__main__":
    _run(server_flags.define_flags())
