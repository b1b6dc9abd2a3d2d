"""Reads Torch7's binary format (.t7) as plain data: tables, strings, numbers and tensors."""

import dataclasses
import math
import pathlib
import struct
from typing import Any

import numpy as np

from tfgan2.program import UsageError

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN = range(6)
MAX_DEPTH = 100

DTYPES = {
    "Byte": np.uint8,
    "Char": np.int8,
    "Short": np.int16,
    "Int": np.int32,
    "Long": np.int64,
    "Float": np.float32,
    "Double": np.float64,
}


def read(path: pathlib.Path) -> Any:
    """Reads a .t7 file that 64-bit Linux wrote.

    Returns:
      None, bool, float, bytes (a string), dict (a table) or NumPy array (a tensor).

    Raises:
      UsageError: the file cannot be read, is damaged, or holds functions or other classes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(str(path), "must be a readable .t7 file", error.strerror) from error
    parser = _Parser(content)
    try:
        value = parser.value(depth=0)
        if parser.position != len(content):
            raise ValueError(f"{len(content) - parser.position} bytes too many")
        return value
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        rule = "must be a whole Torch7 file of tables, strings, numbers and tensors"
        raise UsageError(str(path), rule, f"{error} near byte {parser.position}") from error


@dataclasses.dataclass
class _Parser:
    content: bytes
    position: int = 0
    objects: dict[int, Any] = dataclasses.field(default_factory=dict)

    def value(self, *, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"tables nested more than {MAX_DEPTH} deep")
        kind = self._integer()
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self._unpack("<d")
        if kind == STRING:
            return self._string()
        if kind == BOOLEAN:
            return self._integer() == 1
        if kind not in (TABLE, TORCH):
            raise ValueError(f"type {kind}")
        index = self._integer()
        if index not in self.objects:
            if kind == TABLE:
                self._table(index, depth=depth)
            else:
                self.objects[index] = None
                self.objects[index] = self._torch(depth=depth)
        return self.objects[index]

    def _table(self, index: int, *, depth: int) -> None:
        table: dict[Any, Any] = {}
        self.objects[index] = table  # Before the items, because a table may contain itself.
        items = self._integer()
        if items < 0:
            raise ValueError(f"a table of {items} items")
        for _ in range(items):
            key = self.value(depth=depth + 1)
            if not isinstance(key, bytes | float | bool):
                raise ValueError(f"a table's key of type {type(key).__name__}")
            table[key] = self.value(depth=depth + 1)

    def _torch(self, *, depth: int) -> np.ndarray:
        name = self._string()
        if name.startswith(b"V "):  # Files of Torch's first versions have no version string.
            name = self._string()
        kind, _, suffix = name.decode("ascii").removeprefix("torch.").partition("Tensor")
        if name.startswith(b"torch.") and kind in DTYPES and not suffix:
            return self._tensor(np.dtype(DTYPES[kind]), depth=depth)
        kind = kind.removesuffix("Storage")
        if name == f"torch.{kind}Storage".encode() and kind in DTYPES:
            return self._array(np.dtype(DTYPES[kind]), self._unpack("<q"))
        raise ValueError(f"class {name.decode('ascii')}")

    def _tensor(self, dtype: np.dtype, *, depth: int) -> np.ndarray:
        dimensions = self._integer()
        shape = tuple(self._array(np.dtype("<i8"), dimensions).tolist())
        strides = tuple(self._array(np.dtype("<i8"), dimensions).tolist())
        offset = self._unpack("<q") - 1
        storage = self.value(depth=depth + 1)
        if storage is None or not shape:
            return np.zeros([0], dtype)
        if not isinstance(storage, np.ndarray) or storage.dtype != dtype or storage.ndim != 1:
            raise ValueError("a tensor without its storage")
        if offset < 0 or min(shape) < 0 or min(strides) < 0:
            raise ValueError(f"a tensor of shape {shape} and strides {strides}")
        reach = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        if math.prod(shape) and (reach >= len(storage) or math.prod(shape) > len(self.content)):
            raise ValueError(f"a tensor of shape {shape} in a storage of {len(storage)}")
        return np.lib.stride_tricks.as_strided(
            storage[offset:], shape, [step * dtype.itemsize for step in strides], writeable=False
        ).copy()

    def _array(self, dtype: np.dtype, size: int) -> np.ndarray:
        return np.frombuffer(self._read_bytes(size * dtype.itemsize), dtype)

    def _string(self) -> bytes:
        return self._read_bytes(self._integer())

    def _integer(self) -> int:
        return self._unpack("<i")

    def _unpack(self, form: str) -> Any:
        return struct.unpack(form, self._read_bytes(struct.calcsize(form)))[0]

    def _read_bytes(self, size: int) -> bytes:
        if not 0 <= size <= len(self.content) - self.position:
            raise ValueError(f"{size} bytes asked for, {len(self.content) - self.position} left")
        part = self.content[self.position : self.position + size]
        self.position += size
        return part
