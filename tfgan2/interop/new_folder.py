"""A new folder that is complete or absent."""

import os
import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tfgan2.program import UsageError


@contextmanager
def new_folder(path: str | os.PathLike, *, flag: str) -> Iterator[pathlib.Path]:
    """Yields the path of a temporary folder, and renames it to `path` when it is complete.

    Args:
      path: absent, or an empty folder.
      flag: flag with the path, for error messages.

    Raises:
      UsageError: there is a file, or a folder that is not empty.
    """
    target = pathlib.Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(flag, "must be absent or empty", path)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        yield partial
        if target.exists():
            target.rmdir()
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
