"""Writes Torch7's binary format by its specification, for tests of the reader."""

import itertools
import struct
from typing import Any

KINDS = {"uint8": "Byte", "int8": "Char", "int64": "Long", "float32": "Float", "float64": "Double"}


def dump(value: Any) -> bytes:
    """Serializes None, bool, float, bytes, dict and arrays as 64-bit Linux's Torch7 does."""
    places = itertools.count(1)

    def string(text: bytes) -> bytes:
        return struct.pack("<i", len(text)) + text

    def write(value: Any) -> bytes:
        if value is None:
            return struct.pack("<i", 0)
        if isinstance(value, bool):
            return struct.pack("<ii", 5, value)
        if isinstance(value, float):
            return struct.pack("<id", 1, value)
        if isinstance(value, bytes):
            return struct.pack("<i", 2) + string(value)
        if isinstance(value, dict):
            head = struct.pack("<iii", 3, next(places), len(value))
            return head + b"".join(write(key) + write(item) for key, item in value.items())
        kind, item_size = KINDS[value.dtype.name], value.dtype.itemsize
        head = struct.pack("<ii", 4, next(places)) + string(b"V 1")
        head += string(f"torch.{kind}Tensor".encode()) + struct.pack("<i", value.ndim)
        head += struct.pack(f"<{value.ndim}q", *value.shape)
        head += struct.pack(f"<{value.ndim}q", *(step // item_size for step in value.strides))
        head += struct.pack("<qii", 1, 4, next(places)) + string(b"V 1")
        storage = value.ravel(order="K")
        head += string(f"torch.{kind}Storage".encode()) + struct.pack("<q", storage.size)
        return head + storage.tobytes()

    return write(value)
