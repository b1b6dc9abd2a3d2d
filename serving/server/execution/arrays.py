"""TensorProto to arrays and back; as in TensorFlow, a proto may leave out repeated values."""

import functools
import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.wire import tensors

_FIRST_REF_TYPE = 100
_FIELDS = {
    tf.string: "string_val",
    tf.float16: "half_val",
    tf.bfloat16: "half_val",
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int32: "int_val",
    tf.uint8: "int_val",
    tf.int16: "int_val",
    tf.int8: "int_val",
    tf.uint16: "int_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
}


def parse(proto: tensor_pb2.TensorProto, *, most_repeated_bytes: float = math.inf) -> np.ndarray:
    """Reads an array; strings become an object array of bytes.

    Args:
      proto: the tensor.
      most_repeated_bytes: most bytes of an array whose proto leaves out values.

    Raises:
      ValueError: type, shape and content do not match, or the array has more bytes than that.
    """
    (kind, field), tensor_shape = _kind(proto.dtype), proto.tensor_shape
    shape = [dim.size for dim in tensor_shape.dim]
    if tensor_shape.unknown_rank or min(shape, default=0) < 0:
        raise ValueError(f"tensor_shape: must be known, got {shape}")
    count = math.prod(shape)
    try:
        values = _values(proto, kind, field, count, most_repeated_bytes)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"values: must be those of the dtype, got {error}") from error
    if len(values) > count:
        raise ValueError(f"values: must be {count} for shape {shape}, got {len(values)}")
    if len(values) < count:
        if proto.tensor_content or count * values.itemsize > most_repeated_bytes:
            raise ValueError(f"values: must be {count} for shape {shape}, got {len(values)}")
        zero = b"" if kind.hasobject else 0
        filled = np.full(count, values[-1] if len(values) else zero, values.dtype)
        filled[: len(values)] = values
        values = filled
    return values.reshape(shape)


@functools.cache
def _kind(number: int) -> tuple[np.dtype, str | None]:
    """The NumPy dtype of a DataType number, and the field that holds its values one by one."""
    try:
        dtype = tf.as_dtype(number)
    except TypeError as error:
        raise ValueError(f"dtype: must be known, got {number}") from error
    if number > _FIRST_REF_TYPE or dtype in (tf.resource, tf.variant):
        raise ValueError(f"dtype: must be one of values, got {dtype.name}")
    return np.dtype(dtype.as_numpy_dtype), _FIELDS.get(dtype)


def _values(
    proto: tensor_pb2.TensorProto,
    kind: np.dtype,
    field: str | None,
    count: int,
    most_repeated_bytes: float,
) -> np.ndarray:
    if field == "string_val":
        return np.array(proto.string_val[:], object)
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, kind)
    if field == "half_val":
        return np.fromiter(proto.half_val, np.uint16).view(kind)
    if field is not None:
        return np.fromiter(getattr(proto, field), kind)
    if count * kind.itemsize > most_repeated_bytes:
        raise ValueError(f"{count} of them")
    return tf.make_ndarray(proto).ravel()


def fill(proto: tensor_pb2.TensorProto, array: np.ndarray, *, as_content: bool) -> None:
    """Writes an array into an empty TensorProto.

    Args:
      proto: empty.
      array: any dtype that a session returns.
      as_content: writes numbers as packed bytes instead of value by value.
    """
    try:
        if not as_content or array.dtype == object:
            tensors.fill(proto, array)
            return
    except TypeError:  # Complex and quantized numbers can only be packed.
        proto.Clear()
    proto.dtype = tf.as_dtype(array.dtype).as_datatype_enum
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    proto.tensor_content = array.tobytes()
