"""The flags of tensorflow_model_server, and the options that the server builds from them."""

import importlib.metadata
import os
from collections.abc import Callable
from typing import TypeVar

import grpc
import tensorflow as tf
from absl import flags
from tensorflow.core.protobuf import config_pb2

from serving.http_connections import ConnectionLimits, affordable
from serving.program import UsageError
from serving.server import config_files
from serving.server.execution import arrays
from serving.server.execution.batch_options import BatchOptions
from serving.server.lifecycle.manager import ManagerOptions
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.protocol.model_server import ServerOptions
from serving.server.protocol.rest import RestOptions
from serving.server.status import StatusError

UNSUPPORTED = frozenset(
    {
        "enable_per_model_batching_parameters",
        "enable_profiler",
        "enable_signature_method_name_check",
        "flush_filesystem_caches",
        "mixed_precision",
        "num_tflite_interpreters_per_pool",
        "num_tflite_pools",
        "num_unload_threads",
        "per_process_gpu_memory_fraction",
        "platform_config_file",
        "prefer_tflite_model",
        "remove_unused_fields_from_bundle_metagraph",
        "rest_api_num_threads",
        "skip_initialize_tpu",
        "thread_pool_factory_config_file",
        "use_alts_credentials",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
    }
)

FLAGS = flags.FLAGS
_CPUS = os.cpu_count() or 1
_Content = TypeVar("_Content")


def define_flags() -> dict[str, list[str]]:
    """Defines the flags of this server; tensorflow_model_server has most of them too.

    Returns:
      The names of the flags, by titles of groups.
    """
    groups: dict[str, list[str]] = {}
    for title, define in (
        ("Models", _define_models),
        ("Loading of versions", _define_loading),
        ("Ports", _define_ports),
        ("gRPC", _define_grpc),
        ("REST", _define_rest),
        ("Running of requests", _define_running),
    ):
        others = set(FLAGS)
        define()
        groups[title] = [name for name in FLAGS if name not in others]
    return groups


def version() -> str:
    """The versions of this server and of TensorFlow, in the form of tensorflow_model_server."""
    try:
        own = importlib.metadata.version("tfgan2")
    except importlib.metadata.PackageNotFoundError:  # Runs in a checkout.
        own = "not installed"
    return f"TensorFlow ModelServer: tfgan2 {own}\nTensorFlow Library: {tf.__version__}"


def _define_models() -> None:
    flags.DEFINE_string("model_name", "default", "name of the model in requests")
    flags.DEFINE_string(
        "model_base_path", "", "absolute path or URI of the folder that holds the versions"
    )
    flags.DEFINE_string(
        "model_config_file", "", "text file with a ModelServerConfig: one or several models"
    )
    flags.DEFINE_integer(
        "model_config_file_poll_wait_seconds",
        0,
        "seconds between two reads of --model_config_file; 0: read once",
        0,
    )
    flags.DEFINE_list("saved_model_tags", "serve", "tags of the graph in the SavedModel")
    flags.DEFINE_boolean(
        "allow_version_labels_for_unavailable_models",
        False,
        "accept a new label for a version that is not loaded",
    )


def _define_loading() -> None:
    flags.DEFINE_integer(
        "file_system_poll_wait_seconds",
        1,
        "seconds between two searches for new versions; 0: search once, -1: never",
        -1,
    )
    flags.DEFINE_integer(
        "num_load_threads", 0, "versions to load at the same time; 0: one after the other", 0
    )
    flags.DEFINE_integer(
        "max_num_load_retries", 5, "retries when a version cannot be loaded; 0: none", 0
    )
    flags.DEFINE_integer(
        "load_retry_interval_micros", 60_000_000, "microseconds between two load attempts", 0
    )
    flags.DEFINE_boolean(
        "enable_model_warmup", True, "run a version's warm-up records before it serves requests"
    )
    flags.DEFINE_integer(
        "num_request_iterations_for_warmup", 0, "runs of each warm-up record; 0: one run", 0
    )


def _define_ports() -> None:
    flags.DEFINE_integer("port", 8500, "gRPC port, on all IPv4 addresses; 0: no port", 0, 65535)
    flags.DEFINE_string(
        "grpc_socket_path", "", "path of a unix socket for gRPC, in addition to --port"
    )
    flags.DEFINE_integer(
        "rest_api_port", 0, "REST port, on all addresses of IPv6 and IPv4; 0: no REST", 0, 65535
    )
    flags.DEFINE_integer(
        "max_connections",
        1000,
        "open connections per port; fewer if the process has fewer file descriptors (ulimit -n)",
        1,
    )


def _define_grpc() -> None:
    flags.DEFINE_string(
        "ssl_config_file", "", "text file with an SSLConfig: TLS on the gRPC port; empty: no TLS"
    )
    flags.DEFINE_string(
        "grpc_channel_arguments", "", "arguments of the gRPC server, as name=value,name=value"
    )
    flags.DEFINE_boolean(
        "enable_grpc_healthcheck_service", False, "serve health checks (grpc.health.v1.Health)"
    )
    flags.DEFINE_boolean(
        "enable_serialization_as_tensor_content",
        False,
        "send numbers as packed bytes (tensor_content)",
    )
    flags.DEFINE_integer(
        "max_repeated_tensor_bytes",
        arrays.MOST_REPEATED_BYTES,
        "most bytes of an input whose message has fewer values than its shape: the last value is "
        "repeated, so that a small request can need much memory",
        0,
    )


def _define_rest() -> None:
    flags.DEFINE_integer(
        "rest_api_timeout_in_ms",
        30_000,
        "milliseconds for the headers of a REST request to arrive, and from there to its response",
        1,
    )
    flags.DEFINE_integer(
        "rest_api_keep_alive_in_ms",
        75_000,
        "milliseconds that a REST connection without a request stays open",
        1,
    )
    flags.DEFINE_boolean(
        "rest_api_enable_cors_support", False, "allow web pages of other sites to send requests"
    )
    flags.DEFINE_string(
        "monitoring_config_file",
        "",
        "text file with a MonitoringConfig: Prometheus metrics on the REST port",
    )


def _define_running() -> None:
    flags.DEFINE_integer(
        "grpc_max_threads",
        4 * _CPUS,
        "requests to run at the same time without --enable_batching; default: 4 per CPU",
        1,
    )
    flags.DEFINE_boolean(
        "enable_batching", False, "merge requests for the same model version into batches"
    )
    flags.DEFINE_string(
        "batching_parameters_file",
        "",
        "text file with BatchingParameters; only with --enable_batching",
    )
    flags.DEFINE_integer(
        "tensorflow_session_parallelism",
        0,
        "value of both the intra-op and the inter-op parallelism; 0: automatic",
        0,
    )
    flags.DEFINE_integer(
        "tensorflow_intra_op_parallelism", 0, "threads within one op; 0: automatic", 0
    )
    flags.DEFINE_integer(
        "tensorflow_inter_op_parallelism", 0, "ops that run at the same time; 0: automatic", 0
    )
    flags.DEFINE_string(
        "tensorflow_session_config_file", "", "text file with a ConfigProto of the sessions"
    )


def models() -> list[ModelConfig]:
    """The models to serve.

    Raises:
      UsageError: no model is given, or a value breaks a rule.
    """
    if FLAGS.model_config_file:
        return _read("model_config_file", config_files.models)
    if not FLAGS.model_base_path:
        rule = "must be given, or --model_config_file"
        raise UsageError(f"--model_base_path: {rule}, got neither")
    try:
        return [ModelConfig(name=FLAGS.model_name, base_path=FLAGS.model_base_path)]
    except StatusError as error:
        raise mistake("model_base_path", error) from error


def manager() -> ManagerOptions:
    """The options that control how versions are found and loaded."""
    return ManagerOptions(
        poll_wait_seconds=FLAGS.file_system_poll_wait_seconds,
        load_threads=max(1, FLAGS.num_load_threads),
        max_load_retries=FLAGS.max_num_load_retries,
        load_retry_seconds=FLAGS.load_retry_interval_micros / 1e6,
        labels_for_unavailable=FLAGS.allow_version_labels_for_unavailable_models,
    )


def batching() -> BatchOptions | None:
    """The options of dynamic batching; None without batching.

    Raises:
      UsageError: a parameter breaks a rule, or its file is given without --enable_batching.
    """
    if not FLAGS.batching_parameters_file:
        return BatchOptions() if FLAGS.enable_batching else None
    if not FLAGS.enable_batching:
        rule = "must be left out without --enable_batching"
        raise UsageError(
            f"--batching_parameters_file: {rule}, got {FLAGS.batching_parameters_file}"
        )
    return _read("batching_parameters_file", config_files.batching)


def session() -> config_pb2.ConfigProto:
    """The threads and devices of every session.

    Raises:
      UsageError: the file breaks a rule, or two flags contradict each other.
    """
    config = config_pb2.ConfigProto()
    if FLAGS.tensorflow_session_config_file:
        config = _read("tensorflow_session_config_file", config_files.session)
    both = FLAGS.tensorflow_session_parallelism
    intra, inter = FLAGS.tensorflow_intra_op_parallelism, FLAGS.tensorflow_inter_op_parallelism
    if both and (intra or inter):
        rule = "must be left out where intra or inter parallelism is given"
        raise UsageError(f"--tensorflow_session_parallelism: {rule}, got {both}")
    if both or intra:
        config.intra_op_parallelism_threads = both or intra
    if both or inter:
        config.inter_op_parallelism_threads = both or inter
    return config


def server() -> ServerOptions:
    """The ports of the server, and the options of gRPC and REST.

    Raises:
      UsageError: a flag or a file breaks a rule, or there is neither a gRPC port nor a socket.
    """
    if not FLAGS.port and not FLAGS.grpc_socket_path:
        raise UsageError("--port: must be above 0 without --grpc_socket_path, got 0")
    if FLAGS.rest_api_port and FLAGS.rest_api_port == FLAGS.port:
        rule = "must differ from --port"
        raise UsageError(f"--rest_api_port: {rule}, got {FLAGS.rest_api_port}")
    timeout_seconds = FLAGS.rest_api_timeout_in_ms / 1000
    ports = sum(map(bool, (FLAGS.port, FLAGS.grpc_socket_path, FLAGS.rest_api_port)))
    connections = affordable(FLAGS.max_connections, ports=ports)
    return ServerOptions(
        port=FLAGS.port or None,
        socket_path=FLAGS.grpc_socket_path.removeprefix("unix:"),
        rest_port=FLAGS.rest_api_port or None,
        rest=RestOptions(
            timeout_seconds=timeout_seconds,
            cors=FLAGS.rest_api_enable_cors_support,
            metrics_path=_metrics_path(),
        ),
        rest_limits=ConnectionLimits(
            request_seconds=timeout_seconds,
            idle_seconds=FLAGS.rest_api_keep_alive_in_ms / 1000,
            connections=connections,
        ),
        grpc_connections=connections,
        credentials=_credentials(),
        channel_arguments=_channel_arguments(FLAGS.grpc_channel_arguments),
        health=FLAGS.enable_grpc_healthcheck_service,
        as_content=FLAGS.enable_serialization_as_tensor_content,
        most_repeated_bytes=FLAGS.max_repeated_tensor_bytes,
    )


def _metrics_path() -> str | None:
    if not FLAGS.monitoring_config_file:
        return None
    if not FLAGS.rest_api_port:
        rule = "must be given with --rest_api_port, where the metrics are read"
        raise UsageError(f"--monitoring_config_file: {rule}, got {FLAGS.monitoring_config_file}")
    return _read("monitoring_config_file", config_files.metrics_path)


def _credentials() -> grpc.ServerCredentials | None:
    if not FLAGS.ssl_config_file:
        return None
    return _read("ssl_config_file", config_files.credentials)


def _channel_arguments(text: str) -> list[tuple[str, int | str]]:
    arguments: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--grpc_channel_arguments: must be name=value pairs, got {part}")
        whole = value.removeprefix("-").isdecimal()
        arguments.append((name, int(value) if whole else value))
    return arguments


def _read(flag: str, read: Callable[[str], _Content]) -> _Content:
    """The content of the file that a flag names; raises a UsageError if the file breaks a rule."""
    try:
        return read(getattr(FLAGS, flag))
    except StatusError as error:
        raise mistake(flag, error) from error


def mistake(flag: str, error: StatusError) -> UsageError:
    """The UsageError of a flag with a bad value; contains TensorFlow Serving's error message."""
    return UsageError(f"--{flag}: must be valid, got {error}")
