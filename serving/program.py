"""What the programs here share: one line and exit code 2 for a user's mistake."""

import functools
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import NoReturn

# Before TensorFlow loads: its start-up notices would bury a one-line error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags, logging

USAGE_ERROR_EXIT_CODE = 2


class UsageError(Exception):
    """A mistake of the user's, told as `--flag: rule, got value`."""


def run(main: Callable[[], None], *, unsupported: Collection[str] = ()) -> NoReturn:
    """Parses the flags, runs `main` and exits: 0 when it returns, 2 with one line on a mistake.

    Args:
      main: the program.
      unsupported: flags of the program that this one stands for which it does not have.
    """

    def without_rest(rest: Sequence[str]) -> None:
        if rest:
            raise UsageError(f"arguments: only flags are taken, got {rest[0]}")
        main()

    run_with_rest(without_rest, unsupported=unsupported)


def run_with_rest(
    main: Callable[[Sequence[str]], None], *, unsupported: Collection[str] = ()
) -> NoReturn:
    """As `run`, for a program that is given what follows its flags, as after `--`."""

    def guarded(arguments: Sequence[str]) -> None:
        try:
            main(arguments[1:])
        except UsageError as mistake:
            _exit_with(str(mistake))

    logging.set_verbosity(logging.WARNING)
    app.run(guarded, flags_parser=functools.partial(_parse, unsupported))


def _parse(unsupported: Collection[str], arguments: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except SystemExit:  # absl leaves with 1 after it has printed the help that was asked for.
        sys.exit(0)
    except flags.UnrecognizedFlagError as error:
        name = error.flagname
        if name in unsupported:
            _exit_with(f"--{name}: must be left out, this server has no such thing, got --{name}")
        _exit_with(f"--{name}: must be a flag of this program (--help lists them), got --{name}")
    except flags.Error as error:
        _exit_with(str(error).replace("flag --", "--", 1))


def _exit_with(text: str) -> NoReturn:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(USAGE_ERROR_EXIT_CODE)
