"""The Predict call: where it goes, its request and its answer."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.wire import messages, tensors

METHOD = "/tensorflow.serving.PredictionService/Predict"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model answered.

    Attributes:
      outputs: arrays by name.
      version: of the model that answered.
    """

    outputs: Mapping[str, np.ndarray]
    version: int


def make_request(
    model: str, signature: str, inputs: Mapping[str, np.ndarray], *, version: int | None = None
) -> Any:
    """Writes a request.

    Args:
      model: its name on the server.
      signature: its name.
      inputs: arrays by name; strings are arrays of objects that are bytes.
      version: of the model; None for the newest.
    """
    request = messages.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, array in inputs.items():
        tensors.fill(request.inputs[name], array)
    return request


def serialize(request: Any) -> bytes:
    """The same bytes for the same request: maps have no order of their own."""
    return request.SerializeToString(deterministic=True)


def deserialize(content: bytes) -> Any:
    """Reads a response."""
    return messages.PredictResponse.FromString(content)


def answer(response: Any) -> Answer:
    """Reads all of a response.

    Raises:
      ValueError: type, shape and content of an output do not fit each other.
    """
    return Answer(outputs(response), response.model_spec.version.value)


def outputs(response: Any) -> dict[str, np.ndarray]:
    """The arrays of a response, by name.

    Raises:
      ValueError: type, shape and content of one do not fit each other.
    """
    return {name: tensors.parse(proto) for name, proto in response.outputs.items()}
