"""Reads the configuration files that flags name; each holds one protobuf message as text."""

import pathlib
from typing import Any

import grpc
from google.protobuf import message, text_format
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.server.execution import batch_options
from serving.server.execution.batch_options import BatchOptions
from serving.server.lifecycle import model_config
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.status import invalid_argument
from serving.wire import configs

METRICS_PATH = "/monitoring/prometheus/metrics"


def _read(path: str, kind: Any) -> Any:
    """Reads a message from a text file.

    Raises:
      StatusError: the file cannot be read or parsed.
    """
    try:
        return text_format.Parse(pathlib.Path(path).read_text(encoding="utf-8"), kind())
    except text_format.ParseError as error:
        place = str(error).replace(" : ", ": ", 1)
        why = f"Error parsing text-format {kind.DESCRIPTOR.full_name}: {place}"
        raise invalid_argument(f"Invalid protobuf file: '{path}' ({why})") from error
    except (OSError, UnicodeDecodeError, message.Error) as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}' ({error})") from error


def models(path: str) -> list[ModelConfig]:
    """The models in a ModelServerConfig file.

    Raises:
      StatusError: the file cannot be read, or breaks a rule.
    """
    return model_config.from_proto(_read(path, model_server_config_pb2.ModelServerConfig))


def batching(path: str) -> BatchOptions:
    """The options in a BatchingParameters file.

    Raises:
      StatusError: the file cannot be read, or breaks a rule.
    """
    return batch_options.from_proto(_read(path, configs.BatchingParameters))


def session(path: str) -> config_pb2.ConfigProto:
    """The ConfigProto in a file: threads and devices of a session.

    Raises:
      StatusError: the file cannot be read.
    """
    return _read(path, config_pb2.ConfigProto)


def metrics_path(path: str) -> str | None:
    """The HTTP path of the Prometheus metrics; None if they are off.

    Raises:
      StatusError: the file cannot be read.
    """
    prometheus = _read(path, configs.MonitoringConfig).prometheus_config
    return (prometheus.path or METRICS_PATH) if prometheus.enable else None


def credentials(path: str) -> grpc.ServerCredentials:
    """The TLS credentials in an SSLConfig file; mutual TLS if `client_verify` is true.

    Raises:
      StatusError: the file cannot be read, or a key or a certificate is missing.
    """
    config = _read(path, configs.SSLConfig)
    if not config.server_key or not config.server_cert:
        raise invalid_argument("server_key and server_cert must hold PEM text")
    if config.client_verify and not config.custom_ca:
        raise invalid_argument("custom_ca must hold PEM text where client_verify is true")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
