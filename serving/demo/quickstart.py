"""The newest export behind the embedded server, as a child of this program."""

import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from serving.program import UsageError

STOP_SECONDS = 40.0
_READY = "Running gRPC ModelServer"


@dataclasses.dataclass(frozen=True)
class Export:
    """An export on disk.

    Attributes:
      folder: holds the versions, and has the model's name.
      version: the newest.
    """

    folder: pathlib.Path
    version: int

    @property
    def card(self) -> pathlib.Path:
        """Its model card, which may be absent."""
        return self.folder / str(self.version) / "model_card.json"


def newest_export(exports_dir: pathlib.Path, *, model: str | None) -> Export:
    """Finds the export that was written last.

    Args:
      exports_dir: holds a folder for each model.
      model: whose; None for any.

    Raises:
      UsageError: there is none.
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
    """Serves an export, and yields the target of its server once that answers.

    The server has no port but a socket that nobody else reaches. What it prints goes to this
    program's output; if it ends before it answers, so does this program, with its exit code.
    """
    with tempfile.TemporaryDirectory(prefix="serving-demo-") as folder:
        target = f"unix:{folder}/server.sock"
        command = [
            *(sys.executable, "-m", "serving.server"),
            f"--model_name={export.folder.name}",
            f"--model_base_path={export.folder.absolute()}",
            *("--port=0", f"--grpc_socket_path={target}", "--enable_batching"),
        ]
        # In a session of its own Ctrl-C does not reach it before the page has ended.
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as server:
            try:
                for line in server.stdout or ():
                    if line.startswith(_READY):
                        break
                else:
                    sys.exit(server.wait())
                yield target
            finally:
                server.terminate()
                try:
                    server.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()
