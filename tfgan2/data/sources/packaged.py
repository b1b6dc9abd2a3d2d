"""Finds data files of installed packages, without importing the packages."""

import importlib.util
import pathlib

from tfgan2.program import EXTRAS, UsageError


def find(name: str, *, input_dir: str | None, package: str, folder: str) -> pathlib.Path:
    """Finds a file in the input directory or, if none is given, in a package.

    Args:
      name: name of the file.
      input_dir: the user's folder, or None.
      package: package with the file.
      folder: folder of the file in the package.

    Raises:
      UsageError: the file does not exist, or the package is not installed.
    """
    if input_dir is not None:
        path = pathlib.Path(input_dir) / name
        if not path.is_file():
            raise UsageError("--input_dir", f"must hold {name}", input_dir)
        return path
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        extra = f"pip install 'tfgan2[{EXTRAS[package]}]'"
        rule = f"must name the folder of {name}, as the package {package} is missing ({extra})"
        raise UsageError("--input_dir", rule, "nothing")
    return pathlib.Path(found.origin).parent / folder / name
