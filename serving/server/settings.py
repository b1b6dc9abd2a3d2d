"""The options that the server builds from its flags."""

from collections.abc import Callable
from typing import TypeVar

import grpc
from absl import flags
from tensorflow.core.protobuf import config_pb2

from serving.http_connections import ConnectionLimits, affordable
from serving.program import UsageError
from serving.server import config_files
from serving.server.execution.batch_options import BatchOptions
from serving.server.lifecycle.manager import ManagerOptions
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.protocol.model_server import ServerOptions
from serving.server.protocol.rest import RestOptions
from serving.server.status import StatusError

FLAGS = flags.FLAGS
_Content = TypeVar("_Content")


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
