"""Reads PyTorch's checkpoint files as plain data, without PyTorch."""

import pathlib
from typing import Any, BinaryIO

from tfgan2.interop import torch_legacy, torch_zip
from tfgan2.program import UsageError

HEAD_SIZE = 512
TAR_MARK = slice(257, 262)


def read(path: pathlib.Path) -> Any:
    """Reads a file that torch.save wrote, in the zip or the legacy format.

    Tensors of the same storage share memory, and are read-only.

    Args:
      path: the file.

    Returns:
      dict (in the file's order), list, tuple, str, int, float, bool, None or NumPy array (a
      tensor; bfloat16 becomes float32).

    Raises:
      UsageError: the file cannot be read, is damaged, or holds other types.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(str(path), "must be a readable PyTorch file", error.strerror) from error
    with file:
        return parse(file, path=path)


def parse(file: BinaryIO, *, path: pathlib.Path) -> Any:
    """Parses an open file of torch.save; see `read`.

    Raises:
      UsageError: the file is damaged, or holds other types; the error names `path`.
    """
    try:
        return _parse(file, path=path)
    except UsageError:
        raise
    except Exception as error:  # A damaged file raises errors of nearly any type.
        got = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(str(path), "must be a whole PyTorch file", got[:200]) from error


def _parse(file: BinaryIO, *, path: pathlib.Path) -> Any:
    head = file.read(HEAD_SIZE)
    size = file.seek(0, 2)
    file.seek(0)
    if head.startswith(torch_zip.HEAD):
        return torch_zip.parse(file, path=path, size=size)
    if torch_legacy.MAGIC in head[: torch_legacy.HEAD_SIZE]:
        return torch_legacy.parse(file, path=path, size=size)
    rule = "must be a zip or legacy file that torch.save wrote"
    if head[TAR_MARK] == b"ustar":
        raise UsageError(str(path), rule, "the tar format of PyTorch's first versions")
    raise UsageError(str(path), rule, f"one that begins with {head[:8]!r}")
