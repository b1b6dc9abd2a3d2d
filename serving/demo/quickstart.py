"""Serves the newest export with the embedded server, in a child process."""

import contextlib
import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Iterator

from serving.child_server import child_server
from serving.program import UsageError


@dataclasses.dataclass(frozen=True)
class Export:
    """An export on disk.

    Attributes:
      folder: folder of the versions; its name is the model's name.
      version: newest version number.
    """

    folder: pathlib.Path
    version: int

    @property
    def card(self) -> pathlib.Path:
        """Path of the model card; the file may be absent."""
        return self.folder / str(self.version) / "model_card.json"


def newest_export(exports_dir: pathlib.Path, *, model: str | None) -> Export:
    """Finds the export that was written last.

    Args:
      exports_dir: folder with one folder per model.
      model: name of the model; None for any model.

    Raises:
      UsageError: there is no export.
    """
    pattern = f"{model or '*'}/*/saved_model.pb"
    found = [path for path in exports_dir.glob(pattern) if path.parent.name.isdecimal()]
    if not found:
        rule = "must hold an export, as MODEL/VERSION (python -m tools.export makes one)"
        raise UsageError(f"--exports_dir: {rule}, got none in {exports_dir / (model or '')}")
    last = max(found, key=lambda path: path.stat().st_mtime)
    folder = last.parent.parent
    versions = [int(path.parent.name) for path in found if path.parent.parent == folder]
    return Export(folder=folder, version=max(versions))


@contextlib.contextmanager
def served(export: Export) -> Iterator[str]:
    """Serves an export, and yields the target of the server once the server is ready.

    The server has no port, only a unix socket in a private folder. Its log goes to this program's
    stderr. If the server ends before it is ready, this program ends with the server's exit code.
    """
    with tempfile.TemporaryDirectory(prefix="serving-demo-") as folder:
        target = f"unix:{folder}/server.sock"
        command = [
            *(sys.executable, "-m", "serving.server"),
            f"--model_name={export.folder.name}",
            f"--model_base_path={export.folder.absolute()}",
            *("--port=0", f"--grpc_socket_path={target}", "--enable_batching"),
        ]
        with child_server(command):
            yield target
