"""Serves exported models over gRPC and REST, like tensorflow_model_server.

Example:
  python -m serving.server --model_name=digits --model_base_path=$PWD/exports/digits --port=8500
"""

import contextlib
import gc
import queue
import signal
import threading
from collections.abc import Sequence

from absl import flags, logging

from serving import program
from serving.server import config_files, settings
from serving.server.execution.batching import BatchingRunner
from serving.server.execution.runner import DirectRunner, Runner
from serving.server.lifecycle.loading import Loader
from serving.server.lifecycle.manager import Manager
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.monitoring import Metrics
from serving.server.protocol.model_server import ModelServer, ServerOptions
from serving.server.status import StatusError

FLAGS = flags.FLAGS
STOP, LOADED = "stop", "loaded"
# Events for the main thread. `SimpleQueue.put` is safe within a signal handler.
Events = queue.SimpleQueue


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    # Read all flags first: mistakes end the program before anything is loaded.
    models, batching, options = settings.models(), settings.batching(), settings.server()
    session = settings.session()
    gc.freeze()  # Imported objects stay: excluded from the collection at every unloading.
    if not FLAGS["verbosity"].present:
        logging.get_absl_logger().setLevel("INFO")  # Of the server alone, not of its libraries.
    events: Events[str | Exception] = Events()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: events.put(STOP))
    # Build the runner, the loader and the manager.
    metrics = Metrics()
    runner: Runner = (
        DirectRunner(FLAGS.grpc_max_threads, metrics)
        if batching is None
        else BatchingRunner(batching, metrics)
    )
    warmups = FLAGS.num_request_iterations_for_warmup or 1
    loader = Loader(
        runner=runner,
        metrics=metrics,
        tags=FLAGS.saved_model_tags,
        session_config=session,
        warmup_iterations=warmups if FLAGS.enable_model_warmup else 0,
    )
    manager = Manager(loader, settings.manager())
    # Load in a second thread, so that the main thread can handle signals; then open the ports.
    try:
        threading.Thread(target=_load, args=(manager, models, events), daemon=True).start()
        event = _next(events)
        if isinstance(event, StatusError):
            flag = "model_config_file" if FLAGS.model_config_file else "model_base_path"
            raise settings.mistake(flag, event)
        if isinstance(event, Exception):
            raise event
        if event == LOADED:
            _serve(ModelServer(manager, runner, metrics, options), options, manager, events)
    finally:
        manager.close()
        runner.close()


def _next(events: Events) -> str | Exception:
    """Waits for an event.

    Each wait has a timeout: only the main thread runs Python's signal handlers, and a signal that
    another thread receives does not wake the main thread.
    """
    while True:
        with contextlib.suppress(queue.Empty):
            return events.get(timeout=1.0)


def _load(manager: Manager, models: Sequence[ModelConfig], events: Events) -> None:
    try:
        manager.configure(models)
        events.put(LOADED)
    except Exception as error:
        events.put(error)


def _serve(server: ModelServer, options: ServerOptions, manager: Manager, events: Events) -> None:
    if options.port is not None:
        print(f"Running gRPC ModelServer at {options.host}:{server.port} ...", flush=True)
    if options.socket_path:
        print(f"Running gRPC ModelServer at UDS: unix:{options.socket_path} ...", flush=True)
    if options.rest_port is not None:
        print(f"Exporting HTTP/REST API at:{options.host}:{server.rest_port} ...", flush=True)
    ended = threading.Event()
    if FLAGS.model_config_file and FLAGS.model_config_file_poll_wait_seconds:
        threading.Thread(target=_follow_file, args=(manager, ended), daemon=True).start()
    _next(events)
    ended.set()
    server.stop()


def _follow_file(manager: Manager, ended: threading.Event) -> None:
    """Reads --model_config_file again at each interval, and serves the models in the file."""
    while not ended.wait(FLAGS.model_config_file_poll_wait_seconds):
        try:
            manager.configure(config_files.models(FLAGS.model_config_file))
        except StatusError as error:
            logging.error("--model_config_file: %s", error)


if __name__ == "__main__":
    groups = settings.define_flags()
    program.run(
        main,
        unsupported=settings.UNSUPPORTED,
        answers={
            "help": lambda: program.grouped_help(groups),
            "helpshort": lambda: program.grouped_help(groups),
            "version": settings.version,
        },
    )
