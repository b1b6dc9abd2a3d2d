"""What an output directory remembers between two calls: start.json."""

import dataclasses
import json
import pathlib

from tfgan2.program import UsageError, write_file
from tools.starting.choice import Choice

STATE_NAME = "start.json"


@dataclasses.dataclass(frozen=True)
class State:
    """Contents of start.json.

    Attributes:
      choice: the choice for the folder.
      folder_checksum: checksum of the input directory when its pictures were prepared.
      pictures: number of pictures then.
      images_per_second: measured rate of training; None: not measured yet.
      steps: goal of the training; 0: not known yet.
      done: names of the phases that are done.
    """

    choice: Choice
    folder_checksum: str
    pictures: int
    images_per_second: float | None = None
    steps: int = 0
    done: tuple[str, ...] = ()


def read(output_dir: pathlib.Path) -> State | None:
    """Reads start.json; None if the directory is absent or empty.

    Raises:
      UsageError: the directory holds other files, or start.json is not valid.
    """
    path = output_dir / STATE_NAME
    if output_dir.exists() and not output_dir.is_dir():
        raise UsageError("--output_dir", "must be a directory or absent", output_dir)
    if not path.exists():
        if output_dir.exists() and any(output_dir.iterdir()):
            raise UsageError(
                "--output_dir", f"must be empty, absent or hold {STATE_NAME}", output_dir
            )
        return None
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        choice = Choice(**fields.pop("choice"))
        return State(**{**fields, "choice": choice, "done": tuple(fields["done"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(str(path), "must be written by tools.start", repr(error)) from error


def write(output_dir: pathlib.Path, state: State) -> None:
    """Writes start.json.

    Raises:
      UsageError: the directory cannot be written.
    """
    text = json.dumps(dataclasses.asdict(state), indent=1) + "\n"
    try:
        write_file(output_dir / STATE_NAME, text.encode())
    except OSError as error:
        raise UsageError("--output_dir", "must be writable", error) from error
