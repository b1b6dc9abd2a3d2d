"""gRPC reflection, so that tools such as grpcurl need no .proto files."""

from collections.abc import Mapping, Sequence
from types import ModuleType

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

_PACKAGE = "tensorflow.serving"
# Method: the module of its messages, and the prefix of their names.
_PREDICTION_METHODS = {
    "Classify": (classification_pb2, "Classification"),
    "Regress": (regression_pb2, "Regression"),
    "Predict": (predict_pb2, "Predict"),
    "MultiInference": (inference_pb2, "MultiInference"),
    "GetModelMetadata": (get_model_metadata_pb2, "GetModelMetadata"),
}
_MODEL_METHODS = {
    "GetModelStatus": (get_model_status_pb2, "GetModelStatus"),
    "HandleReloadConfigRequest": (model_management_pb2, "ReloadConfig"),
}


def enable(server: grpc.aio.Server, others: Sequence[str]) -> None:
    """Adds reflection for the services of TensorFlow Serving.

    Args:
      server: a server that is not started yet.
      others: full names of the server's other services.
    """
    described = [
        _describe("PredictionService", "prediction_service.proto", _PREDICTION_METHODS),
        _describe("ModelService", "model_service.proto", _MODEL_METHODS),
    ]
    reflection.enable_server_reflection([*described, reflection.SERVICE_NAME, *others], server)


def _describe(name: str, file_name: str, methods: Mapping[str, tuple[ModuleType, str]]) -> str:
    """Registers the descriptor of a service, and returns the service's full name.

    The generated service modules cannot be imported with protobuf's C implementation.
    """
    modules = dict.fromkeys(module for module, _ in methods.values())
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tensorflow_serving/apis/{file_name}",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[module.DESCRIPTOR.name for module in modules],
    )
    service = file.service.add(name=name)
    for method, (_, prefix) in methods.items():
        service.method.add(
            name=method,
            input_type=f".{_PACKAGE}.{prefix}Request",
            output_type=f".{_PACKAGE}.{prefix}Response",
        )
    descriptor_pool.Default().Add(file)
    return f"{_PACKAGE}.{name}"
