"""Helpers of all command-line programs: flag parsing, errors, progress bars, atomic file writes."""

import contextlib
import ctypes
import errno
import functools
import io
import os
import pathlib
import re
import sys
import tempfile
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

# Set before TensorFlow loads: its start-up messages would hide a one-line error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Set before TensorFlow loads: TensorFlow Addons, if installed, must use tf_keras.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from absl import app, flags, logging
from tqdm import tqdm

Item = TypeVar("Item")

FAILURE_EXIT_CODE = 1
USAGE_ERROR_EXIT_CODE = 2
SECONDS_BETWEEN_LINES = 10.0
# Errors of a write, which do not name the file.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def _report(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Prints one line for Ctrl-C, and the traceback of any other exception."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# In a program, and as soon as possible: Ctrl-C may come while the program imports its libraries.
_main = getattr(sys.modules.get("__main__"), "__spec__", None)
if _main is not None and _main.name.partition(".")[0] in ("tfgan2", "serving", "tools"):
    sys.excepthook = _report


class UsageError(Exception):
    """An error of the user, reported in one line with exit code 2 and no traceback."""

    def __init__(self, subject: str, rule: str, value: object) -> None:
        """Builds the message `subject: rule, got value`.

        Args:
          subject: the wrong input, as the user wrote it: `--data_dir`, or the path of a file.
          rule: what the input must be.
          value: the value received.
        """
        super().__init__(f"{subject}: {rule}, got {value}")


class Failure(Exception):  # noqa: N818
    """An error that is not the user's: one line, exit code 1, no traceback."""


def run(
    main: Callable[[], None], *, short_help: Callable[[Sequence[str]], str] | None = None
) -> NoReturn:
    """Parses the flags, runs `main` and exits with code 0.

    A `UsageError`, and a file or folder that cannot be read or written, end the program with one
    line and exit code 2, a `Failure` with one line and exit code 1.

    Args:
      main: the program; reads its flags and returns nothing.
      short_help: makes the text of --helpshort from the arguments; None: absl's text.
    """

    def guarded(arguments: Sequence[str]) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # Characters that it lacks become escapes.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            if len(arguments) > 1:
                raise UsageError("arguments", "only flags are taken", arguments[1])
            if "tensorflow" in sys.modules:
                quieten_tensorflow()
            main()
        except UsageError as mistake:
            _exit_with(mistake)
        except Failure as failure:
            _exit_with(failure, code=FAILURE_EXIT_CODE)
        except OSError as error:
            if error.filename is None and error.errno not in NO_ROOM:
                raise
            rule = "must be readable, or have room and be writable"
            _exit_with(UsageError(error.filename or "outputs", rule, error.strerror))

    # Hides warnings of libraries, unless --verbosity shows them.
    logging.set_verbosity(logging.ERROR)
    app.run(guarded, flags_parser=functools.partial(_parse, short_help=short_help))


def quieten_tensorflow() -> None:
    """Applies TF_CPP_MIN_LOG_LEVEL to the native messages of TensorFlow that ignore the variable.

    TensorFlow must be loaded. The messages are those that TensorFlow logs through Abseil: a C++
    function sets their level. Older releases of TensorFlow lack the function and these messages.
    """
    with contextlib.suppress(AttributeError, OSError, StopIteration, ValueError):
        # The function's name in the library contains Abseil's release.
        folder = pathlib.Path(str(sys.modules["tensorflow"].__file__)).parent
        options = (folder / "include/absl/base/options.h").read_text(encoding="utf-8")
        (release,) = re.findall(r"#define ABSL_OPTION_INLINE_NAMESPACE_NAME (\w+)", options)
        library = ctypes.CDLL(str(next(folder.glob("libtensorflow_framework.*"))))
        name = f"_ZN4absl{len(release)}{release}14SetMinLogLevelENS0_18LogSeverityAtLeastE"
        library[name](int(os.environ["TF_CPP_MIN_LOG_LEVEL"]))


def progress(
    items: Iterable[Item], *, total: int | None, description: str, unit: str
) -> Iterable[Item]:
    """Yields the items, and shows on stderr the count, the rate and the time left."""
    return progress_bar(items, total=total, desc=description, unit=f" {unit}")


def progress_bar(items: Iterable[Item] | None = None, **options: Any) -> tqdm:
    """Makes a progress bar on stderr; if stderr is no terminal, prints a line every ten seconds.

    Args:
      items: the items to yield; None if the caller updates the bar.
      **options: options of `tqdm`.
    """
    if sys.stderr.isatty():
        return tqdm(items, dynamic_ncols=True, **options)
    lines: Any = types.SimpleNamespace(write=_write_line, flush=sys.stderr.flush)
    return tqdm(items, file=lines, mininterval=SECONDS_BETWEEN_LINES, **options)


def warn(text: str) -> None:
    """Prints a warning to stderr, in one line."""
    print(f"warning: {' '.join(text.split())}", file=sys.stderr)


def write_file(path: pathlib.Path, content: bytes) -> None:
    """Writes a file atomically: a temporary file, then a rename. Creates the folder if absent."""
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


def _write_line(text: str) -> None:
    """Writes a state of a progress bar as one line, without its carriage return."""
    if text.strip():
        print(text.strip(), file=sys.stderr)


def _exit_with(mistake: object, *, code: int = USAGE_ERROR_EXIT_CODE) -> NoReturn:
    print(f"error: {' '.join(str(mistake).split())}", file=sys.stderr)
    sys.exit(code)


def _parse(
    arguments: Sequence[str], short_help: Callable[[Sequence[str]], str] | None
) -> list[str]:
    try:
        if short_help is not None and {"-helpshort", "--helpshort"} & {*arguments}:
            print(short_help(arguments))
            sys.exit(0)
        return flags.FLAGS(arguments)
    except SystemExit:  # absl exits with code 1 after --help.
        sys.exit(0)
    except flags.Error as error:
        _exit_with(_describe(error))


def _describe(error: flags.Error) -> str:
    """Describes an absl flag error as `--flag: rule, got value`."""
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
