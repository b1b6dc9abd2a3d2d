"""Entry points of the serving programs: a user's mistake prints one line and exits with 2."""

import contextlib
import ctypes
import errno
import functools
import io
import os
import pathlib
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

# Set before TensorFlow loads: its start-up messages would hide a one-line error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Set before TensorFlow loads: otherwise TensorFlow loads Keras 3, which no server needs.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from absl import app, flags, logging

# Opens /dev/null for each standard stream that is closed, before a library opens its descriptors:
# otherwise a connection could get the number of stderr, and the messages of native libraries.
for _descriptor in range(3):
    try:
        os.fstat(_descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # Gets the lowest free number.

# Names of flags, by titles of groups.
Groups: TypeAlias = Mapping[str, Sequence[str]]

USAGE_ERROR_EXIT_CODE = 2
HELP = {"-help", "--help", "-helpshort", "--helpshort"}
# Packages that the programs import, and the extra that installs each.
EXTRAS = {
    "PIL": "serving",
    "apache_beam": "batch",
    "distributed": "cluster",
    "google": "serving",
    "google_crc32c": "batch",
    "grpc": "serving",
    "grpc_health": "serving",
    "grpc_reflection": "serving",
    "h11": "serving",
    "numpy": "serving",
    "pyarrow": "batch",
    "starlette": "demo",
    "tensorflow": "serving",
    "tensorflow_serving": "serving",
    "tensorflow_text": "serving",
    "tqdm": "batch",
    "uvicorn": "serving",
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
    """A user's mistake; the message is `--flag: rule, got value`."""


def run(
    main: Callable[[], None],
    *,
    help_groups: Groups,
    unsupported: Collection[str] = (),
    answers: Mapping[str, Callable[[], str]] = types.MappingProxyType({}),
) -> NoReturn:
    """Parses the flags, runs `main` and exits: 0 when it returns, 2 with one line on a mistake.

    A file or folder that cannot be read or written is such a mistake, and a package that an extra
    installs and that is missing.

    Args:
      main: the program. It imports the modules that need TensorFlow or an extra, so that help and
        flag errors need neither.
      help_groups: flags that --help and --helpshort show, required ones first.
      unsupported: flags of the program that this one replaces but does not support.
      answers: texts to print instead of running the program, by the flag that asks for them.
    """

    def without_rest(rest: Sequence[str]) -> None:
        if rest:
            raise UsageError(f"arguments: only flags are taken, got {rest[0]}")
        main()

    run_with_rest(without_rest, help_groups=help_groups, unsupported=unsupported, answers=answers)


def run_with_rest(
    main: Callable[[Sequence[str]], None],
    *,
    help_groups: Groups,
    unsupported: Collection[str] = (),
    answers: Mapping[str, Callable[[], str]] = types.MappingProxyType({}),
) -> NoReturn:
    """Like `run`, but `main` receives the arguments that follow the flags, such as after `--`."""

    def guarded(arguments: Sequence[str]) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # Characters that it lacks become escapes.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            main(arguments[1:])
        except UsageError as mistake:
            _exit_with(str(mistake))
        except ModuleNotFoundError as error:
            package = str(error.name).partition(".")[0]
            if package not in EXTRAS:
                raise
            rule = f"must be installed (pip install 'tfgan2[{EXTRAS[package]}]')"
            _exit_with(f"{package}: {rule}, got no such package")
        except OSError as error:
            if error.filename is None and error.errno not in NO_ROOM:
                raise
            rule = "must be readable, or have room and be writable"
            _exit_with(f"{error.filename or 'outputs'}: {rule}, got {error.strerror}")

    # Hides warnings of libraries, unless --verbosity shows them.
    logging.set_verbosity(logging.ERROR)
    app.run(guarded, flags_parser=functools.partial(_parse, help_groups, unsupported, answers))


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


def _parse(
    help_groups: Groups,
    unsupported: Collection[str],
    answers: Mapping[str, Callable[[], str]],
    arguments: Sequence[str],
) -> list[str]:
    if HELP & {*arguments}:
        _exit_with_help(_help(help_groups))
    for name, answer in answers.items():
        if {f"--{name}", f"-{name}"} & {*arguments}:
            print(answer())
            sys.exit(0)
    try:
        rest = flags.FLAGS(arguments)
    except SystemExit:  # absl exits with code 1 after --helpfull and --helpxml.
        _exit_with_help()
    except flags.UnrecognizedFlagError as error:
        name = error.flagname
        if name in unsupported:
            _exit_with(f"--{name}: must be left out, this server has no such thing, got --{name}")
        _exit_with(f"--{name}: must be a flag of this program (--help lists them), got --{name}")
    except flags.Error as error:
        _exit_with(_describe_error(error))
    _expand_home()
    return rest


def _describe_error(error: flags.Error) -> str:
    """An absl flag error as `--flag: rule, got value`."""
    text = str(error)
    if missing := re.match(r"flag --(\w+)=None: ", text):
        return f"--{missing[1]}: must be given, got nothing"
    illegal = re.match(r"flag --(\w+)=(.*?): (.*)", text, re.DOTALL)
    if illegal and illegal[1] in flags.FLAGS:
        name, value, reason = illegal.groups()
        parser = flags.FLAGS[name].parser
        choices = getattr(parser, "enum_values", None)
        if flags.FLAGS[name].boolean:
            choices = ("true", "false")
        rule = f"one of {', '.join(choices)}" if choices else parser.syntactic_help
        return f"--{name}: {f'must be {rule}' if rule else reason}, got {value!r}"
    return text.replace("flag --", "--", 1)


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
    """The docstring of the program, and its flags by groups."""
    lines = [str(sys.modules["__main__"].__doc__)]
    for title, names in groups.items():
        lines += [f"{title}:", *map(_describe, names), ""]
    lines.append("--helpfull lists the flags of the libraries too.")
    return "\n".join(lines)


def _describe(name: str) -> str:
    """The entry of a flag in the help: its text, default and range."""
    flag = flags.FLAGS[name]
    notes = [] if flag.default in (None, "", []) else [f"default: {flag.default_as_str}"]
    limits = (getattr(flag.parser, bound, None) for bound in ("lower_bound", "upper_bound"))
    if any(limit is not None for limit in limits):
        notes.append(flag.parser.syntactic_help)
    text = f"--{'[no]' if flag.boolean else ''}{name}: {flag.help}"
    text += f" ({'; '.join(notes)})" if notes else ""
    return flags.text_wrap(text, indent="    ", firstline_indent="  ")


def _exit_with(text: str) -> NoReturn:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(USAGE_ERROR_EXIT_CODE)
