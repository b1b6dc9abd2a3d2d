"""What every program shares: flag parsing, the error line, progress, files written whole."""

import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TextIO, TypeVar

# Before TensorFlow loads: its start-up notices would bury a one-line error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Before it too: TensorFlow Addons, where it is, is to have the Keras that is imported here.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from absl import app, flags, logging
from tqdm import tqdm

Item = TypeVar("Item")

FAILURE_EXIT_CODE = 1
USAGE_ERROR_EXIT_CODE = 2
SECONDS_BETWEEN_LINES = 10.0


class UsageError(Exception):
    """A mistake of the user's: reported in one line, with exit code 2 and no traceback."""

    def __init__(self, subject: str, rule: str, value: object) -> None:
        """Describes the mistake.

        Args:
          subject: what is wrong, as the user wrote it: `--data_dir`, or a file's path.
          rule: what it must be.
          value: what was received.
        """
        super().__init__(f"{subject}: {rule}, got {value}")


class Failure(Exception):  # noqa: N818
    """What ends a program without being anybody's mistake: one line, exit code 1, no traceback."""


def run(main: Callable[[], None]) -> NoReturn:
    """Parses the flags, runs `main` and exits: 0 when it returns, 2 with one line on a usage error.

    A `Failure` ends in one line too, with exit code 1.

    Args:
      main: the program; it reads its flags and returns nothing.
    """

    def guarded(arguments: Sequence[str]) -> None:
        try:
            if len(arguments) > 1:
                raise UsageError("arguments", "only flags are taken", arguments[1])
            main()
        except UsageError as mistake:
            _exit_with(mistake)
        except Failure as failure:
            _exit_with(failure, code=FAILURE_EXIT_CODE)

    logging.set_verbosity(logging.WARNING)
    app.run(guarded, flags_parser=_parse)


def progress(
    items: Iterable[Item], *, total: int | None, description: str, unit: str
) -> Iterable[Item]:
    """Passes items on and shows on stderr how many went by, how fast, and the time left."""
    return progress_bar(items, total=total, desc=description, unit=f" {unit}")


def progress_bar(items: Iterable[Item] | None = None, **options: Any) -> tqdm:
    """Makes a bar on stderr; where stderr is no terminal, a line every ten seconds.

    Args:
      items: what the bar passes on; None if the caller moves the bar.
      **options: those of `tqdm`.
    """
    if sys.stderr.isatty():
        return tqdm(items, dynamic_ncols=True, **options)
    return tqdm(items, file=_Lines(sys.stderr), mininterval=SECONDS_BETWEEN_LINES, **options)


def warn(text: str) -> None:
    """Tells the user on stderr, in one line, what is no error but should be known."""
    print(f"warning: {' '.join(text.split())}", file=sys.stderr)


def write_file(path: pathlib.Path, content: bytes) -> None:
    """Writes a file beside its place and renames it into it, and makes its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


class _Lines:
    """Writes each state of a progress bar as a line of its own, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes a state without the carriage return before it."""
        if text.strip():
            self._stream.write(text.strip() + "\n")

    def flush(self) -> None:
        """Flushes the stream beneath."""
        self._stream.flush()


def _exit_with(mistake: object, *, code: int = USAGE_ERROR_EXIT_CODE) -> NoReturn:
    print(f"error: {' '.join(str(mistake).split())}", file=sys.stderr)
    sys.exit(code)


def _parse(arguments: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except SystemExit:  # absl leaves with 1 after it has printed the help that was asked for.
        sys.exit(0)
    except flags.Error as error:
        _exit_with(_describe(error))


def _describe(error: flags.Error) -> str:
    """Turns absl's account of a bad flag into `--flag: rule, got value`."""
    text = str(error)
    if isinstance(error, flags.UnrecognizedFlagError):
        near = re.search(r"Did you mean: (\w+)", text)
        hint = f" (near: --{near[1]})" if near else " (--help lists them)"
        name = f"--{error.flagname}"
        return str(UsageError(name, f"must be a flag of this program{hint}", name))
    missing = re.match(r"flag --(\w+)=None: ", text)
    if missing:
        return str(UsageError(f"--{missing[1]}", "must be given", "nothing"))
    illegal = re.match(r"flag --(\w+)=(.*?): (.*)", text, re.DOTALL)
    if illegal and illegal[1] in flags.FLAGS:
        name, value, reason = illegal.groups()
        parser = flags.FLAGS[name].parser
        choices = getattr(parser, "enum_values", None)
        rule = f"one of {', '.join(choices)}" if choices else parser.syntactic_help
        return str(UsageError(f"--{name}", f"must be {rule}" if rule else reason, repr(value)))
    return text
