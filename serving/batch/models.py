"""The model of a job, before it is loaded: where it is, what it takes, and which one it is."""

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
class ModelInfo:
    """What is known of a model.

    Attributes:
      name: what it is called in errors.
      takes_captions: or else it draws of seeds alone.
      identity: tells it from others.
    """

    name: str
    takes_captions: bool
    identity: str


def of_export(export_dir: str) -> tuple[str, ModelInfo]:
    """Looks at an export.

    Args:
      export_dir: folder of the versions, or of one of them.

    Returns:
      The folder of the newest version, or of that one, and what is known of it.

    Raises:
      UsageError: there is none that has the signature.
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
    except Exception as error:  # A damaged file raises what protobuf and filesystems please.
        raise UsageError(f"--export_dir: must hold SavedModels, got {version} ({error})") from error
    inputs = set(signature.inputs)
    if inputs not in (_INPUTS, _INPUTS - {"caption"}) or "image_bytes" not in signature.outputs:
        rule = f"must have the signature {SIGNATURE} of tools.export"
        raise UsageError(f"--export_dir: {rule}, got {version}")
    return version, ModelInfo(version, "caption" in inputs, _checksum(version))


def of_server(target: str, model: str, *, takes_captions: bool) -> ModelInfo:
    """Looks at a served model, by asking for a picture.

    Args:
      target: host:port, or several of them.
      model: its name on the servers.
      takes_captions: whether the job has captions.

    Raises:
      UsageError: it is not served, or of the other kind.
    """
    try:
        with Client(target, model=model) as client:
            (probe,) = client.draw([""] if takes_captions else None, seeds=[0])
    except ValueError as error:  # It begins with the argument's name, which is the flag's.
        raise UsageError(f"--{error}") from error
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            raise other_kind(f"{model} at {target}", takes_captions=not takes_captions) from error
        told = f"{error.code().name}: {error.details()} from {target}"
        raise UsageError(f"--target: must serve the model {model}, got {told}") from error
    drawn = hashlib.sha256(probe.png).hexdigest()
    return ModelInfo(f"{model} at {target}", takes_captions, f"{model}, draws {drawn}")


def other_kind(name: str, *, takes_captions: bool) -> UsageError:
    """What is told where a model takes captions and the job has none, or the other way round."""
    flag, kind = ("captions", "with") if takes_captions else ("count", "without")
    rule = f"must be given for a model that draws {kind} captions"
    return UsageError(f"--{flag}: {rule}, got none for {name}")


def _checksum(version: str) -> str:
    """Of all files that are loaded, by their names."""
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
