"""Reads torch.save's legacy format: the default before PyTorch 1.6, and an option since."""

import functools
import pathlib
import reprlib
import struct
from typing import Any, BinaryIO

from tfgan2.interop import torch_pickles
from tfgan2.interop.torch_storages import Storages
from tfgan2.program import UsageError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
HEAD_SIZE = 32
MAGIC = MAGIC_NUMBER.to_bytes(10, "little")  # The same bytes in every pickle protocol.
PROTOCOL_VERSION = 1001


def parse(file: BinaryIO, *, path: pathlib.Path, size: int) -> Any:
    """Parses a legacy file of torch.save: five pickles, then the bytes of the storages.

    Args:
      file: the open file.
      path: path of the file, for error messages.
      size: size of the file in bytes.

    Returns:
      dict, list, tuple, str, int, float, bool, None or NumPy array.

    Raises:
      UsageError: the file holds other types, or is big-endian.
      Exception: of nearly any type, if the file is damaged.
    """
    storages = Storages(unclaimed=size)
    load = functools.partial(torch_pickles.load, file, path=path, find_storage=storages.find)
    magic_number, version, system = load(), load(), load()
    if magic_number != MAGIC_NUMBER:
        raise ValueError(f"magic number {reprlib.repr(magic_number)}")
    if version != PROTOCOL_VERSION:
        raise ValueError(f"protocol version {reprlib.repr(version)}")
    if system["little_endian"] is not True:
        raise UsageError(str(path), "must be little-endian", "a big-endian file")
    value, keys = load(), load()
    if sorted(keys) != sorted(storages.known):
        raise ValueError("storages other than those of the tensors")
    for key in keys:
        _fill(storages, key, file)
    if file.read(1):
        raise ValueError("bytes behind the last storage")
    return value


def _fill(storages: Storages, key: str, file: BinaryIO) -> None:
    storage = storages.known[key]
    (count,) = struct.unpack("<q", file.read(8))
    if count != len(storage.elements):
        raise ValueError(f"storage {key!r} of {count} elements, {len(storage.elements)} expected")
    storage.fill(file)
