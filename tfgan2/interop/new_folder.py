"""A new folder that is complete or absent."""

import os
import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from tfgan2.program import UsageError


@contextmanager
def new_folder(path: str | os.PathLike, *, flag: str) -> Iterator[pathlib.Path]:
    """Yields the path of a temporary folder, and moves its content to `path` when it is complete.

    Args:
      path: absent, or an empty folder, which may be a symbolic link or a mount point.
      flag: flag with the path, for error messages.

    Raises:
      UsageError: there is a file, or a folder that is not empty or cannot be written.
    """
    target = pathlib.Path(path)
    is_new = not target.exists()
    prefix = f".{target.name}.partial-"
    # A killed process leaves its temporary folder.
    if not is_new and not (
        target.is_dir() and all(entry.name.startswith(prefix) for entry in target.iterdir())
    ):
        raise UsageError(flag, "must be absent or empty", path)
    partial = (target.parent if is_new else target) / f"{prefix}{os.getpid()}"
    try:
        yield partial
        if is_new:
            partial.rename(target)
            return
        # Files come after folders: config.json of a run, and saved_model.pb, make it complete.
        for entry in sorted(partial.iterdir(), key=pathlib.Path.is_file):
            entry.rename(target / entry.name)
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(flag, "must have room and be writable", reason) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
