"""The GetModelMetadata call: which version is served, and what its signatures take and give."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from serving.wire import messages

METHOD = "/tensorflow.serving.PredictionService/GetModelMetadata"
_FIELD = "signature_def"


@dataclasses.dataclass(frozen=True)
class Signature:
    """Names of what a signature takes and gives."""

    inputs: frozenset[str]
    outputs: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Description:
    """A served model.

    Attributes:
      version: the newest that answers.
      signatures: by name.
    """

    version: int
    signatures: Mapping[str, Signature]


def make_request(model: str) -> Any:
    """Asks for the signatures of a model."""
    request = messages.GetModelMetadataRequest(metadata_field=[_FIELD])
    request.model_spec.name = model
    return request


def deserialize(content: bytes) -> Any:
    """Reads a response."""
    return messages.GetModelMetadataResponse.FromString(content)


def description(response: Any) -> Description:
    """What a response says."""
    signatures = messages.SignatureDefMap.FromString(response.metadata[_FIELD].value)
    return Description(
        version=response.model_spec.version.value,
        signatures={
            name: Signature(frozenset(one.inputs), frozenset(one.outputs))
            for name, one in signatures.signature_def.items()
        },
    )
