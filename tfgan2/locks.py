"""A file lock, so that two processes never write the same place."""

import contextlib
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from tfgan2.program import UsageError, warn


@contextlib.contextmanager
def locked(file: pathlib.Path, *, flag: str, place: str | os.PathLike) -> Iterator[None]:
    """Context that holds the lock of a file; the lock also ends with the process, however it ends.

    Args:
      file: file of the lock, created if absent; holds the name of the process with the lock.
      flag: flag that names the place, for the error message.
      place: the place that the lock protects, for messages.

    Raises:
      UsageError: another process holds the lock.
      OSError: the file cannot be created.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
            rule = f"must not be written by another process at the same time ({holder})"
            raise UsageError(flag, rule, place) from error
        except OSError as error:  # The file system has no locks.
            warn(f"{place} cannot be locked ({error.strerror}): write it with one process only")
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
