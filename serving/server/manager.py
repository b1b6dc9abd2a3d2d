"""Which versions of which models are loaded, and which one a request means."""

import pathlib
from collections.abc import Sequence

import grpc
from tensorflow_serving.apis import model_pb2

from serving.server.servable import Servable
from serving.server.status import StatusError, invalid_argument


class Manager:
    """The loaded servables, by model and version."""

    def __init__(self, servables: Sequence[Servable]) -> None:
        """Takes servables that are ready to run."""
        self._models: dict[str, dict[int, Servable]] = {}
        for servable in servables:
            self._models.setdefault(servable.name, {})[servable.version] = servable

    def versions(self, name: str) -> list[int]:
        """Versions of a model, the newest first; none of an unknown one."""
        return sorted(self._models.get(name, {}), reverse=True)

    def find(self, spec: model_pb2.ModelSpec) -> Servable:
        """The version that a request names, else the newest.

        Raises:
          StatusError: there is none.
        """
        if spec.WhichOneof("version_choice") == "version_label":
            label = spec.version_label
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        versions = self._models.get(spec.name, {})
        if spec.HasField("version"):
            version, asked = spec.version.value, f"Specific({spec.name}, {spec.version.value})"
        else:
            version, asked = max(versions, default=None), f"Latest({spec.name})"
        if version not in versions:
            text = f"Servable not found for request: {asked}"
            raise StatusError(grpc.StatusCode.NOT_FOUND, text)
        return versions[version]


def newest_version(base_path: pathlib.Path) -> tuple[int, pathlib.Path] | None:
    """The highest number among the folders of a base path, and its folder."""
    numbered = [
        (int(path.name), path)
        for path in base_path.iterdir()
        if path.is_dir() and path.name.isascii() and path.name.isdecimal()
    ]
    return max(numbered, default=None)
