"""Recipes that the package contains, by name: --recipe=NAME and its expansion into flags."""

import importlib.resources
import pathlib
from collections.abc import Sequence

from absl import flags

from tfgan2.program import UsageError

PACKAGE = "tfgan2.recipes"
SUFFIX = ".flags"
FLAG = ("-recipe", "--recipe")


def files() -> dict[str, pathlib.Path]:
    """Returns the flagfiles of the package by name, sorted."""
    folder = importlib.resources.files(PACKAGE)
    found = [pathlib.Path(str(it)) for it in folder.iterdir() if it.name.endswith(SUFFIX)]
    return {path.stem: path for path in sorted(found)}


def flagfile(name: str, *, flag: str) -> pathlib.Path:
    """Finds the flagfile of a recipe.

    Args:
      name: a recipe of the package, or the path of a flagfile.
      flag: flag that gave the name, for the error.

    Raises:
      UsageError: there is no such recipe or file.
    """
    known = files()
    path = known.get(name, pathlib.Path(name))
    if not path.is_file():
        raise UsageError(flag, f"must be a flagfile or one of {', '.join(known)}", name)
    return path


def define_flag(*, into: flags.FlagValues = flags.FLAGS) -> None:
    """Defines --recipe; `expand` adds the flags of the named recipe.

    Args:
      into: flag values in which the flag is defined.
    """
    flags.DEFINE_enum(
        "recipe",
        None,
        list(files()),
        "recipe of the package: the flags of tfgan2/recipes/NAME.flags; later flags override them",
        flag_values=into,
    )


def expand(arguments: Sequence[str], values: flags.FlagValues) -> list[str]:
    """Adds the flags of a recipe behind each --recipe, also behind those in flagfiles.

    An unknown name stays as it is: parsing refuses it.

    Args:
      arguments: the command line, the program first.
      values: flag values of the program, which read flagfiles.

    Returns:
      The command line without --flagfile, in the same order.

    Raises:
      flags.Error: a flagfile cannot be read.
    """
    known = files()
    expanded, previous = [arguments[0]], ""
    for argument in values.read_flags_from_files(arguments[1:], force_gnu=False):
        expanded.append(argument)
        # The name follows an equals sign, or is the next argument.
        flag, _, name = argument.partition("=")
        if previous in FLAG:
            flag, name = previous, argument
        if flag in FLAG and name in known:
            expanded += values.read_flags_from_files([f"--flagfile={known[name]}"])
        previous = argument
    return expanded
