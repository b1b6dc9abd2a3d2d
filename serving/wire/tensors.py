"""Converts NumPy arrays to TensorProto and back, for any message class with its fields.

The server passes TensorFlow's messages, the client the messages of `serving.wire.messages`.
"""

import math
from typing import Any

import numpy as np

MOST_DIMENSIONS, MOST_VALUES = 32, 2**31
PIECE = 2**16
STRING_TYPE, HALF_TYPE, BFLOAT16_TYPE = 7, 19, 14
# DataType number: NumPy type, and the field that holds the values one by one.
_TYPES = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    3: (np.int32, "int_val"),
    4: (np.uint8, "int_val"),
    5: (np.int16, "int_val"),
    6: (np.int8, "int_val"),
    9: (np.int64, "int64_val"),
    10: (np.bool_, "bool_val"),
    17: (np.uint16, "int_val"),
    22: (np.uint32, "uint32_val"),
    23: (np.uint64, "uint64_val"),
}
_NUMBERS = {np.dtype(kind): number for number, (kind, _) in _TYPES.items()}


def fill(proto: Any, array: np.ndarray) -> None:
    """Writes an array into an empty TensorProto, value by value, like TensorFlow Serving.

    Args:
      proto: empty.
      array: numbers, booleans, or an object array of bytes.

    Raises:
      TypeError: the array has another dtype.
    """
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.dtype = STRING_TYPE
        proto.string_val.extend(array.ravel().tolist())
    elif array.dtype in _NUMBERS:
        proto.dtype = _NUMBERS[array.dtype]
        _extend(getattr(proto, _TYPES[proto.dtype][1]), array.ravel())
    elif array.dtype == np.float16 or array.dtype.name == "bfloat16":
        proto.dtype = HALF_TYPE if array.dtype == np.float16 else BFLOAT16_TYPE
        _extend(proto.half_val, array.ravel().view(np.uint16))
    else:
        raise TypeError(f"array: must hold numbers, booleans or bytes, got {array.dtype}")


def _extend(field: Any, numbers: np.ndarray) -> None:
    """Appends numbers in pieces: a list of all would need eight times the memory of the array."""
    for begin in range(0, len(numbers), PIECE):
        field.extend(numbers[begin : begin + PIECE].tolist())


def parse(proto: Any) -> np.ndarray:
    """Reads an array; strings become an object array of bytes.

    Raises:
      ValueError: type, shape and content do not match.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    count = math.prod(shape)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0:
        raise ValueError(f"tensor_shape: must be known, got {shape}")
    if len(shape) > MOST_DIMENSIONS or count > MOST_VALUES:
        rule = f"at most {MOST_DIMENSIONS} dimensions and {MOST_VALUES} values"
        raise ValueError(f"tensor_shape: must be {rule}, got {shape}")
    try:
        values = _values(proto)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"values: must be those of the dtype, got {error}") from error
    if len(values) == 1 and count > 1:  # One value for all elements, broadcast without a copy.
        return np.broadcast_to(values, shape)
    if len(values) != count:
        raise ValueError(f"values: must be {count} for shape {shape}, got {len(values)}")
    return values.reshape(shape)


def _values(proto: Any) -> np.ndarray:
    if proto.dtype == STRING_TYPE:
        strings = np.empty(len(proto.string_val), object)
        strings[:] = list(proto.string_val)
        return strings
    if proto.dtype == HALF_TYPE:
        bits = np.frombuffer(proto.tensor_content, np.uint16)
        return np.array(proto.half_val or bits, np.uint16).view(np.float16)
    if proto.dtype not in _TYPES:
        raise ValueError(f"the dtype {proto.dtype}")
    kind, field = _TYPES[proto.dtype]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, kind)
    return np.array(getattr(proto, field), kind)
