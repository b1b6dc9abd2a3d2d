"""The GetModelMetadata call: the served version, and the inputs and outputs of its signatures."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from serving.wire import messages

METHOD = "/tensorflow.serving.PredictionService/GetModelMetadata"
_FIELD = "signature_def"


@dataclasses.dataclass(frozen=True)
class Signature:
    """The names of a signature's inputs and outputs."""

    inputs: frozenset[str]
    outputs: frozenset[str]


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """A served model.

    Attributes:
      version: the newest available version.
      signatures: the signatures by name.
    """

    version: int
    signatures: Mapping[str, Signature]


def make_request(model: str) -> Any:
    """Creates a request for the signatures of a model."""
    request = messages.GetModelMetadataRequest(metadata_field=[_FIELD])
    request.model_spec.name = model
    return request


def description(response: Any) -> ModelDescription:
    """Reads the version and the signatures from a response."""
    signatures = messages.SignatureDefMap.FromString(response.metadata[_FIELD].value)
    return ModelDescription(
        version=response.model_spec.version.value,
        signatures={
            name: Signature(frozenset(one.inputs), frozenset(one.outputs))
            for name, one in signatures.signature_def.items()
        },
    )
