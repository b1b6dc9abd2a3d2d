"""The gRPC services, with the codes and texts of TensorFlow Serving."""

import functools
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.manager import Manager
from serving.server.servable import DEFAULT_SIGNATURE
from serving.server.status import StatusError, invalid_argument
from serving.wire import tensors

SIGNATURES_FIELD = "signature_def"


def _told(method: Callable[..., Any]) -> Callable[..., Any]:
    """Ends the call as a StatusError says."""

    @functools.wraps(method)
    def call(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request)
        except StatusError as error:
            context.abort(error.code, error.text)

    return call


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; what is not overridden answers UNIMPLEMENTED."""

    def __init__(self, manager: Manager) -> None:
        """Serves what a manager holds."""
        self._manager = manager

    @_told
    def Predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Runs a signature."""
        servable = self._manager.find(_spec(request))
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        inputs = {alias: _parse(alias, proto) for alias, proto in request.inputs.items()}
        plan = servable.plan(signature, inputs, request.output_filter)
        response = predict_pb2.PredictResponse()
        for alias, value in servable.run(plan).items():
            tensors.fill(response.outputs[alias], np.asarray(value))
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = signature
        return response

    @_told
    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tells all signatures of a model."""
        spec = _spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != SIGNATURES_FIELD:
                raise invalid_argument(f"Metadata field {field} is not supported")
        servable = self._manager.find(spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[SIGNATURES_FIELD].Pack(signatures)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; what is not overridden answers UNIMPLEMENTED."""

    def __init__(self, manager: Manager) -> None:
        """Tells what a manager holds."""
        self._manager = manager

    @_told
    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of one version or all."""
        spec = _spec(request)
        versions = self._manager.versions(spec.name)
        if not versions:
            text = f"Could not find any versions of model {spec.name}"
            raise StatusError(grpc.StatusCode.NOT_FOUND, text)
        if spec.HasField("version"):
            if spec.version.value not in versions:
                text = f"Could not find version {spec.version.value} of model {spec.name}"
                raise StatusError(grpc.StatusCode.NOT_FOUND, text)
            versions = [spec.version.value]
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in versions:
            status = response.model_version_status.add(version=version)
            status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
            status.status.SetInParent()
        return response


def _spec(request: Any) -> model_pb2.ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    if not request.model_spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    return request.model_spec


def _parse(alias: str, proto: tensor_pb2.TensorProto) -> np.ndarray:
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error
