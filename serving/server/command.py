"""Runs the server: reads the flags, loads the models, opens the ports, and stops on a signal."""

import contextlib
import functools
import gc
import os
import queue
import signal
import sys
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
from serving.server.protocol import ports
from serving.server.protocol.model_server import ModelServer, ServerOptions
from serving.server.status import StatusError

FLAGS = flags.FLAGS
STOP, LOADED = "stop", "loaded"
# At the end, versions are unloaded and runs finished within this time; the rest is abandoned.
CLOSE_SECONDS = 3.0
# Events for the main thread. `SimpleQueue.put` is safe within a signal handler.
Events = queue.SimpleQueue


def serve() -> None:
    """Serves until SIGTERM or SIGINT."""
    program.quieten_tensorflow()
    # Read all flags first: mistakes end the program before anything is loaded.
    models, batching, options = settings.models(), settings.batching(), settings.server()
    session = settings.session()
    _check_addresses(options)
    gc.freeze()  # Imported objects stay: excluded from the collection at every unloading.
    if not FLAGS["verbosity"].present:
        logging.get_absl_logger().setLevel("INFO")  # Of the server alone, not of its libraries.
    events: Events[str | Exception] = Events()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: events.put(STOP))
    # A thread that fails ends the process: without it the server could only half serve.
    threading.excepthook = functools.partial(_report_failure, events)
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
    # Load the models, then open the ports.
    ended = threading.Event()
    try:
        _load(manager, models, events)
        if FLAGS.model_config_file and FLAGS.model_config_file_poll_wait_seconds:
            threading.Thread(target=_follow_file, args=(manager, ended), daemon=True).start()
        event = _next(events)
        if isinstance(event, StatusError):
            flag = "model_config_file" if FLAGS.model_config_file else "model_base_path"
            raise settings.mistake(flag, event)
        if isinstance(event, Exception):
            raise event
        if event == LOADED:
            _serve(ModelServer(manager, runner, metrics, options), options, events)
    finally:
        ended.set()
        closing = threading.Thread(target=_close, args=(manager, runner))
        closing.start()
        closing.join(CLOSE_SECONDS)


def _check_addresses(options: ServerOptions) -> None:
    """Checks the ports before models are loaded, which can last minutes."""
    for flag, port in (("port", options.port), ("rest_api_port", options.rest_port)):
        if port is not None:
            ports.check_port(flag, options.host, port)
    if options.socket_path:
        ports.check_socket_path(options.socket_path)


def _report_failure(events: Events, failure: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(failure)
    name = failure.thread.name if failure.thread else "unknown"
    events.put(RuntimeError(f"the thread {name} failed: {failure.exc_value!r}"))


def _close(manager: Manager, runner: Runner) -> None:
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
        loaded = manager.configure(models, starting=True)
    except StatusError as error:
        events.put(error)
    else:
        loaded.add_done_callback(lambda done: events.put(done.exception() or LOADED))


def _serve(server: ModelServer, options: ServerOptions, events: Events) -> None:
    try:
        if options.port is not None:
            _print(f"Running gRPC ModelServer at {options.host}:{server.port} ...")
        if options.socket_path:
            _print(f"Running gRPC ModelServer at UDS: unix:{options.socket_path} ...")
        if options.rest_port is not None:
            _print(f"Exporting HTTP/REST API at:{options.host}:{server.rest_port} ...")
        event = _next(events)
    finally:
        server.stop()
    if isinstance(event, Exception):
        raise event


def _print(line: str) -> None:
    """Prints a line; a server whose standard output cannot be written serves all the same."""
    try:
        print(line, flush=True)
    except OSError as error:
        logging.warning("The standard output cannot be written: %s", error)
        # Python would write the line again at its exit, fail and end with code 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _follow_file(manager: Manager, ended: threading.Event) -> None:
    """Reads --model_config_file again at each interval, and serves the models in the file."""
    known_error = ""
    while not ended.wait(FLAGS.model_config_file_poll_wait_seconds):
        new_error = ""
        try:
            # Does not wait: the file can be corrected while a model is missing.
            manager.configure(config_files.models(FLAGS.model_config_file)).cancel()
        except StatusError as error:
            new_error = str(error)
        if new_error and new_error != known_error:
            logging.error("--model_config_file: %s", new_error)
        known_error = new_error
