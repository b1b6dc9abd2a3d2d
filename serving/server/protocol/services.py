"""The gRPC services, with the codes and texts of TensorFlow Serving."""

import asyncio
import functools
import math
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from absl import logging
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.execution import arrays
from serving.server.execution.servable import DEFAULT_SIGNATURE, plan_of_request
from serving.server.lifecycle import model_config
from serving.server.lifecycle.manager import Manager
from serving.server.protocol import model_info
from serving.server.protocol.draining import CallTracker
from serving.server.protocol.predicting import Predictor, check_spec, in_thread_if_large
from serving.server.status import StatusError, from_exception, invalid_argument

# Before its deadline, a reload answers why models are missing; after it the client reads no answer.
ANSWER_SECONDS = 0.1
# The share of a deadline that may be left when its client gives up.
DEADLINE_TOLERANCE = 0.05


def _rpc_method(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Wraps a method: counts the call, and ends it with the status of an exception."""

    @functools.wraps(method)
    async def call(self: Any, request: Any, context: grpc.aio.ServicerContext) -> Any:
        await self.calls.begin(context)
        try:
            return await method(self, request, context)
        except Exception as error:
            status = from_exception(error)
            if not isinstance(error, StatusError):
                logging.exception("%s failed", method.__name__)
        # Outside of the block above: abort raises, and one error must not be reported twice.
        return await context.abort(status.code, status.text)

    return call


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the others answer UNIMPLEMENTED."""

    def __init__(
        self,
        manager: Manager,
        predictor: Predictor,
        *,
        calls: CallTracker,
        as_content: bool,
        most_repeated_bytes: int,
    ) -> None:
        """Serves the models of a manager.

        Args:
          manager: holds the models.
          predictor: runs the models.
          calls: counts the calls, and refuses them during the shutdown.
          as_content: sends numbers as packed bytes instead of value by value.
          most_repeated_bytes: most bytes of an input that leaves out repeated values.
        """
        self._manager, self._predictor, self._as_content = manager, predictor, as_content
        self._most_repeated_bytes = most_repeated_bytes
        self.calls = calls

    @_rpc_method
    async def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.aio.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Runs a signature."""
        is_expired = functools.partial(is_past_deadline, context, context.time_remaining())
        with self._predictor.counted(request.model_spec.name, "GRPC", is_expired=is_expired):
            return await self._predict(request)

    async def _predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        spec = check_spec(_spec(request))
        prediction = await self._predictor.predict(
            spec,
            lambda servable: plan_of_request(
                servable, request, most_repeated_bytes=self._most_repeated_bytes
            ),
            size_bytes=request.ByteSize(),
        )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = prediction.version
        response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE

        def write() -> None:
            for alias, value in prediction.outputs.items():
                arrays.fill(response.outputs[alias], value, as_content=self._as_content)

        # Writing one number in Python takes as long as copying about 100 bytes.
        numbers = sum(array.size for array in prediction.outputs.values())
        await in_thread_if_large(100 * numbers, write)
        return response

    @_rpc_method
    async def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, _: grpc.aio.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns all signatures of a model."""
        spec = check_spec(_spec(request))
        name, version, signatures = model_info.metadata(self._manager, spec, request.metadata_field)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = name
        response.model_spec.version.value = version
        response.metadata[model_info.SIGNATURES_FIELD].Pack(signatures)
        return response

    @_rpc_method
    async def Classify(self, request: object, _: object) -> object:
        """Answers UNIMPLEMENTED."""
        raise _unimplemented("Classify")

    @_rpc_method
    async def Regress(self, request: object, _: object) -> object:
        """Answers UNIMPLEMENTED."""
        raise _unimplemented("Regress")

    @_rpc_method
    async def MultiInference(self, request: object, _: object) -> object:
        """Answers UNIMPLEMENTED."""
        raise _unimplemented("MultiInference")


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, manager: Manager, *, calls: CallTracker) -> None:
        """Reports and changes the models of a manager.

        Args:
          manager: holds the models.
          calls: counts the calls, and refuses them during the shutdown.
        """
        self._manager, self.calls = manager, calls

    @_rpc_method
    async def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, _: grpc.aio.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the state of one version or of all versions."""
        return model_info.status(self._manager, check_spec(_spec(request)))

    @_rpc_method
    async def HandleReloadConfigRequest(
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.aio.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        """Replaces the list of models; returns when the new models are available.

        A reload whose models are missing ends with its deadline, or as ABORTED when a newer
        configuration comes. The error names the missing models and their base paths.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        models = model_config.from_proto(request.config)
        remaining = context.time_remaining()
        seconds = math.inf if remaining is None else remaining - ANSWER_SECONDS
        # The manager completes the future, so that a wait needs no thread, and cancelling the call
        # ends the wait.
        await asyncio.wrap_future(self._manager.configure(models, seconds=seconds))
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = 0
        return response


def _spec(request: Any) -> model_pb2.ModelSpec | None:
    return request.model_spec if request.HasField("model_spec") else None


def is_past_deadline(context: grpc.aio.ServicerContext, total_seconds: float | None) -> bool:
    """Whether a cancelled call is past its deadline.

    A client cancels by its own clock, in which the deadline is earlier: by the time on the network,
    and because gRPC rounds a deadline up.

    Args:
      context: the call.
      total_seconds: time until the deadline when the call began; None without a deadline.
    """
    if total_seconds is None:
        return False
    return context.time_remaining() <= DEADLINE_TOLERANCE * total_seconds


def _unimplemented(name: str) -> StatusError:
    text = f"{name} is not offered by the embedded server; ask by Predict"
    return StatusError(grpc.StatusCode.UNIMPLEMENTED, text)
