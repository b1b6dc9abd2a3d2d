"""The Predict call: its method name, request and response."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.wire import messages, tensors

METHOD = "/tensorflow.serving.PredictionService/Predict"


@dataclasses.dataclass(frozen=True)
class PredictResult:
    """The response of a model.

    Attributes:
      outputs: arrays by name.
      version: version of the model that answered.
    """

    outputs: Mapping[str, np.ndarray]
    version: int


def make_request(
    model: str, signature: str, inputs: Mapping[str, np.ndarray], *, version: int | None = None
) -> Any:
    """Creates a request.

    Args:
      model: name of the model on the server.
      signature: name of the signature.
      inputs: arrays by name; strings are object arrays of bytes.
      version: version of the model; None for the newest.
    """
    request = messages.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, array in inputs.items():
        tensors.fill(request.inputs[name], array)
    return request


def answer(response: Any) -> PredictResult:
    """Reads the outputs and the version from a response.

    Raises:
      ValueError: type, shape and content of an output do not match.
    """
    return PredictResult(outputs(response), response.model_spec.version.value)


def outputs(response: Any) -> dict[str, np.ndarray]:
    """Reads the arrays of a response, by name.

    Raises:
      ValueError: type, shape and content of an output do not match.
    """
    return {name: tensors.parse(proto) for name, proto in response.outputs.items()}
