"""Inspects the model of a job before it is loaded; finds its location and `Job.model`."""

import dataclasses
import hashlib

import grpc

from serving.batch import messages, storage
from serving.client import Client
from serving.program import UsageError

SAVED_MODEL = "saved_model.pb"
SIGNATURE = "generate"
_INPUTS = {"caption", "seed", "truncation"}


@dataclasses.dataclass(frozen=True)
class ServerSource:
    """A model on a server.

    Attributes:
      target: host:port, or several separated by commas; requests rotate over them.
      model: name of the model on the servers.
      concurrent_requests: requests at the same time, per process.
      timeout_seconds: limit of a request, with all its attempts.
    """

    target: str
    model: str
    concurrent_requests: int = 4
    timeout_seconds: float = 60.0


def inspect_export(export_dir: str, *, takes_captions: bool) -> tuple[str, str]:
    """Inspects an export.

    Args:
      export_dir: folder of the versions, or folder of one version.
      takes_captions: whether the job has captions.

    Returns:
      The folder of the newest version or of the given version, and the identity of its model.

    Raises:
      UsageError: there is no version, it lacks the `generate` signature of tools.export, or only
        one of the job and the model has captions.
    """
    folder = storage.absolute(export_dir)
    version = folder
    if not storage.exists(storage.join(folder, SAVED_MODEL)):
        numbers = [int(name) for name in storage.names(folder) if name.isdecimal()]
        if not numbers:
            rule = "must hold a version, as tools.export writes"
            raise UsageError(f"--export_dir: {rule}, got {export_dir}")
        version = storage.join(folder, str(max(numbers)))
    try:
        saved = messages.SavedModel.FromString(storage.read(storage.join(version, SAVED_MODEL)))
        signature = saved.meta_graphs[0].signature_def[SIGNATURE]
    except Exception as error:  # The class depends on protobuf and the filesystem.
        raise UsageError(f"--export_dir: must hold SavedModels, got {version} ({error})") from error
    inputs = set(signature.inputs)
    if inputs not in (_INPUTS, _INPUTS - {"caption"}) or "image_bytes" not in signature.outputs:
        rule = f"must have the signature {SIGNATURE} of tools.export"
        raise UsageError(f"--export_dir: {rule}, got {version}")
    if ("caption" in inputs) != takes_captions:
        raise _wrong_kind(version, takes_captions=not takes_captions)
    return version, _checksum(version)


def inspect_server(source: ServerSource, *, takes_captions: bool) -> str:
    """Requests one picture of a served model, and returns the identity of the model.

    Args:
      source: the served model.
      takes_captions: whether the job has captions.

    Raises:
      UsageError: the model is not served, or only one of the job and the model has captions.
    """
    target, model = source.target, source.model
    try:
        with Client(target, model=model) as client:
            (probe,) = client.draw([""] if takes_captions else None, seeds=[0])
    except ValueError as error:  # Its text begins with the argument's name, equal to the flag's.
        raise UsageError(f"--{error}") from error
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            raise _wrong_kind(f"{model} at {target}", takes_captions=not takes_captions) from error
        status = f"{error.code().name}: {error.details()} from {target}"
        raise UsageError(f"--target: must serve the model {model}, got {status}") from error
    return f"{model}, draws {hashlib.sha256(probe.png).hexdigest()}"


def _wrong_kind(name: str, *, takes_captions: bool) -> UsageError:
    """The error if a model takes captions and the job has none, or the other way round."""
    flag, kind = ("captions", "with") if takes_captions else ("count", "without")
    rule = f"must be given for a model that draws {kind} captions"
    return UsageError(f"--{flag}: {rule}, got none for {name}")


def _checksum(version: str) -> str:
    """The SHA-256 of all loaded files and their names."""
    checksum = hashlib.sha256()
    paths = [storage.join(version, SAVED_MODEL)]
    for folder in ("assets", "variables"):
        paths += storage.match(storage.join(version, folder, "*"))
    for path in paths:
        file_checksum = hashlib.sha256()
        with storage.opened(path) as file:
            while chunk := file.read(2**20):
                file_checksum.update(chunk)
        name = path.rpartition(version)[2]
        checksum.update(f"{name} {file_checksum.hexdigest()}\n".encode())
    return checksum.hexdigest()
