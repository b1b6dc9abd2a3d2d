"""Converts the JSON of REST requests to arrays with a signature's dtypes, and arrays to JSON."""

import base64
import binascii
import contextlib
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from serving.server.execution.servable import cpp_name
from serving.server.status import StatusError, invalid_argument

BYTES_SUFFIX = "_bytes"
LONGEST_SHOWN = 256
MOST_UNPACKED_BYTES = 100 * 2**20
_BASE64_KEY = "b64"
_ASCII_SPACE = re.compile(r"[ \t\n\v\f\r]+")
_INTEGERS = (
    tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint32, tf.uint64,
)  # fmt: skip
_FLOATS = (tf.float32, tf.float64)
# The largest integers, without decimal point and exponent, that are read as these dtypes.
_LARGEST_INTEGERS = {tf.float32: 2**24 - 1, tf.float64: 2**53 - 1}


def unpack(body: bytes) -> bytes:
    """Unpacks a body in the format gzip.

    Raises:
      StatusError: the body is not gzip, or has more than 100 MiB when it is unpacked.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            unpacked = file.read(MOST_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise invalid_argument(f"Failed to uncompress the gzipped body: {error}") from error
    if len(unpacked) > MOST_UNPACKED_BYTES:
        text = f"Failed to uncompress the gzipped body: more than {MOST_UNPACKED_BYTES} bytes"
        raise invalid_argument(text)
    return unpacked


class _TooBigError(Exception):
    """A number beyond the range of a double; the message is the number."""


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _TooBigError(text)
    return number


def parse_object(body: bytes) -> dict[str, Any]:
    """Parses the body of a request.

    Raises:
      StatusError: the body is not a JSON object.
    """
    if not body.strip():
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        parsed = json.loads(body, parse_float=_parse_float)
    except _TooBigError as error:
        text = f"Number too big to be stored in double. at offset: {body.find(str(error).encode())}"
        raise invalid_argument(f"JSON Parse error: {text}") from error
    except json.JSONDecodeError as error:
        text = f"JSON Parse error: {error.msg} at offset: {error.pos}"
        raise invalid_argument(text) from error
    except (RecursionError, ValueError) as error:  # Too deep, or not UTF-8.
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(parsed, dict):
        raise invalid_argument(f"Request must be a JSON object, got {_as_json(parsed)}")
    return parsed


def read_inputs(
    body: Mapping[str, Any], definition: meta_graph_pb2.SignatureDef
) -> dict[str, np.ndarray]:
    """Reads arrays by input name from a body in the row or the columnar format.

    Args:
      body: has `instances` (rows) or `inputs` (columns).
      definition: the signature, with the inputs and their dtypes.

    Raises:
      StatusError: the values do not match the signature.
    """
    dtypes = {name: tf.as_dtype(info.dtype) for name, info in definition.inputs.items()}
    if ("instances" in body) == ("inputs" in body):
        if "inputs" in body:
            raise invalid_argument(
                "Not formatted correctly: expecting only one of 'inputs' or 'instances'"
            )
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    if "inputs" in body:
        return _read_columns(body["inputs"], dtypes)
    if not isinstance(body["instances"], list) or not body["instances"]:
        raise invalid_argument("Expecting 'instances' value to be a non-empty list")
    return _read_rows(body["instances"], dtypes)


def _read_columns(value: Any, dtypes: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or _is_base64(value):
        if len(dtypes) != 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        value = dict.fromkeys(dtypes, value)
    for name in dtypes:
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _to_array(value[name], dtype) for name, dtype in dtypes.items()}


def _read_rows(rows: Sequence[Any], dtypes: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    columns: dict[str, list[Any]] = {name: [] for name in dtypes}
    named = isinstance(rows[0], dict) and not _is_base64(rows[0])
    for position, row in enumerate(rows):
        if named and isinstance(row, dict) and not _is_base64(row):
            if row.keys() != dtypes.keys():
                _fail(
                    position,
                    row,
                    "object must have exactly the inputs of the signature: "
                    + ", ".join(sorted(dtypes)),
                )
            for name, value in row.items():
                columns[name].append(value)
        elif named or (isinstance(row, dict) and not _is_base64(row)):
            _fail(position, row, "objects and plain values must not be mixed")
        elif len(dtypes) != 1:
            text = "instances is a plain list, but expecting list of objects as multiple input "
            raise invalid_argument(f"{text}tensors required as per tensorinfo_map")
        else:
            next(iter(columns.values())).append(row)
    return {name: _rows_to_array(name, columns[name], dtype) for name, dtype in dtypes.items()}


def _rows_to_array(name: str, rows: Sequence[Any], dtype: tf.DType) -> np.ndarray:
    arrays = []
    for position, row in enumerate(rows):
        try:
            arrays.append(_to_array(row, dtype, outer_levels=1))
        except StatusError as error:
            text = (
                f"Failed to process element: {position} key: {name} of 'instances' list. "
                f"Error: {error.full_text}"
            )
            raise StatusError(error.code, text) from error
        if arrays[0].shape != arrays[-1].shape:
            _fail(
                position,
                row,
                f"Expecting tensor size: {list(arrays[0].shape)} but got: {list(arrays[-1].shape)}",
            )
    return np.stack(arrays)


def _fail(position: int, row: Any, why: str) -> None:
    raise invalid_argument(
        f"Failed to process element: {position} of 'instances' list. "
        f"Error: INVALID_ARGUMENT: {why}. JSON Value: {_as_json(row)}"
    )


def _to_array(value: Any, dtype: tf.DType, *, outer_levels: int = 0) -> np.ndarray:
    convert = _converter(dtype)
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    try:
        np.empty([0] * (outer_levels + len(shape)))
    except ValueError as error:  # More dimensions than NumPy has.
        text = f"Encountered list at unexpected level: {outer_levels + len(shape)} ({error})"
        raise invalid_argument(text) from error
    flat: list[Any] = []
    _flatten(value, shape, 0, convert, flat)
    kind = object if dtype == tf.string else dtype.as_numpy_dtype
    array = np.empty(len(flat), kind)
    try:
        with np.errstate(over="ignore"):
            array[:] = flat
        beyond = dtype in _FLOATS and bool(np.any(np.abs(array) > _LARGEST_INTEGERS[dtype]))
    except OverflowError:
        beyond = True
    if beyond:  # Look at the values one by one: the array has lost which ones were integers.
        for one in flat:
            _check_range(one, dtype)
    return array.reshape(shape)


def _check_range(value: int | float, dtype: tf.DType) -> None:
    """Raises a StatusError if a number is too large for a dtype, as in TensorFlow Serving."""
    if dtype not in _FLOATS:
        if not dtype.min <= value <= dtype.max:
            raise _unexpected(value, dtype)
        return
    if isinstance(value, float) and not math.isfinite(value):
        return
    integer = isinstance(value, int) and -(2**63) <= value < 2**64
    if abs(value) > (_LARGEST_INTEGERS[dtype] if integer else float(dtype.max)):
        text = f"Cannot convert JSON value: {_as_json(value)} to {cpp_name(dtype)}"
        raise invalid_argument(f"{text} without loss of precision.")


def _flatten(
    value: Any, shape: Sequence[int], depth: int, convert: Callable[[Any], Any], flat: list[Any]
) -> None:
    if depth == len(shape):
        flat.append(convert(value))
        return
    if not isinstance(value, list) or len(value) != shape[depth]:
        got = len(value) if isinstance(value, list) else _as_json(value)
        raise invalid_argument(
            f"Encountered list at unexpected size: {got} at level: {depth} "
            f"expected size: {shape[depth]}"
        )
    for one in value:
        _flatten(one, shape, depth + 1, convert, flat)


def _converter(dtype: tf.DType) -> Callable[[Any], Any]:
    """Returns a function that checks a JSON value of a dtype and converts it for an array."""
    kinds: tuple[type, ...]
    if dtype == tf.string:
        return _to_bytes
    if dtype == tf.bool:
        kinds = (bool,)
    elif dtype in _INTEGERS:
        kinds = (int,)
    elif dtype in _FLOATS:
        kinds = (int, float)
    else:
        text = f"Conversion of JSON Value to type: {cpp_name(dtype)}"
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, text)

    def convert(value: Any) -> Any:
        # In Python a bool is an int, in JSON it is not.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _unexpected(value, dtype)
        return value

    return convert


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not _is_base64(value):
        raise _unexpected(value, tf.string)
    try:
        return _from_base64(value[_BASE64_KEY])
    except (binascii.Error, TypeError, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def _from_base64(text: str) -> bytes:
    """Decodes base64 with or without white space, line breaks and padding."""
    with contextlib.suppress(ValueError):
        return base64.b64decode(text, validate=True)
    text = _ASCII_SPACE.sub("", text)
    bare = text.rstrip("=.")
    missing = -len(bare) % 4
    if len(text) - len(bare) not in (0, missing):
        raise ValueError("padding must be left out or complete")
    return base64.b64decode(bare + "=" * missing, validate=True)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {_BASE64_KEY}


def _unexpected(value: Any, dtype: tf.DType) -> StatusError:
    names = {str: "String", bool: "Bool", int: "Number", float: "Number", list: "Array",
             dict: "Object", type(None): "Null"}  # fmt: skip
    kind = names[type(value)]
    text = f"JSON Value: {_as_json(value)} Type: {kind} is not of expected type: {cpp_name(dtype)}"
    return invalid_argument(text)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value)[:LONGEST_SHOWN]
    except RecursionError:
        return "deeply nested"


def write_outputs(outputs: Mapping[str, np.ndarray], *, rows: bool) -> bytes:
    """The body of a response.

    Args:
      outputs: arrays by name.
      rows: writes `predictions`, one per row; else `outputs`.

    Raises:
      StatusError: a dtype has no JSON form, or outputs have different row counts.
    """
    lists = {name: _to_lists(name, array) for name, array in outputs.items()}
    if not rows:
        (key, value) = "outputs", lists if len(lists) != 1 else next(iter(lists.values()))
    else:
        _check_rows(outputs)
        key = "predictions"
        if len(lists) == 1:
            value = next(iter(lists.values()))
        else:
            columns = zip(*lists.values(), strict=True)
            value = [dict(zip(lists, column, strict=True)) for column in columns]
    text = f'{{\n    "{key}": {json.dumps(value, ensure_ascii=False)}\n}}'
    return text.encode("utf-8", "surrogateescape")


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    expected = None
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        expected = len(array) if expected is None else expected
        if len(array) != expected:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {expected}"
            )


def _to_lists(name: str, array: np.ndarray) -> Any:
    if array.dtype == object:
        wrap = _to_base64 if name.endswith(BYTES_SUFFIX) else _to_text
        strings = np.empty(array.size, object)
        strings[:] = [wrap(value) for value in array.ravel()]
        return strings.reshape(array.shape).tolist()
    dtype = tf.as_dtype(array.dtype)
    if dtype not in (*_INTEGERS, *_FLOATS, tf.bool):
        raise invalid_argument(f"Failed to write JSON value for tensor type: {cpp_name(dtype)}")
    if dtype == tf.float32:  # Write 0.1, not 0.10000000149011612.
        return array.astype(str).astype(np.float64).tolist()
    return array.tolist()


def _to_base64(value: bytes) -> dict[str, str]:
    return {_BASE64_KEY: base64.b64encode(value).decode()}


def _to_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
