"""Status and metadata of models, for gRPC and REST."""

from collections.abc import Sequence

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from serving.server.lifecycle.manager import Manager
from serving.server.status import StatusError, invalid_argument

SIGNATURES_FIELD = "signature_def"


def status(
    manager: Manager, spec: model_pb2.ModelSpec
) -> get_model_status_pb2.GetModelStatusResponse:
    """The state of one version, or of all versions ever found; the newest first.

    Raises:
      StatusError: the model has no such version.
    """
    versions = manager.statuses(spec.name)
    if not versions:
        text = f"Could not find any versions of model {spec.name}"
        raise StatusError(grpc.StatusCode.NOT_FOUND, text)
    if spec.HasField("version"):
        versions = [one for one in versions if one.version == spec.version.value]
        if not versions:
            text = f"Could not find version {spec.version.value} of model {spec.name}"
            raise StatusError(grpc.StatusCode.NOT_FOUND, text)
    response = get_model_status_pb2.GetModelStatusResponse()
    for one in versions:
        version_status = response.model_version_status.add(
            version=one.version, state=int(one.state)
        )
        version_status.status.SetInParent()
        if one.error is not None:
            version_status.status.error_code = one.error.number
            version_status.status.error_message = one.error.text
    return response


def metadata(
    manager: Manager, spec: model_pb2.ModelSpec, fields: Sequence[str]
) -> tuple[str, int, get_model_metadata_pb2.SignatureDefMap]:
    """The name, version and all signatures of a model.

    Raises:
      StatusError: the model is not available, or `fields` is empty or has another field than
        `signature_def`.
    """
    if not fields:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field != SIGNATURES_FIELD:
            raise invalid_argument(f"Metadata field {field} is not supported")
    lease = manager.acquire(spec)
    try:
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in lease.servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        return lease.servable.name, lease.servable.version, signatures
    finally:
        lease.release()
