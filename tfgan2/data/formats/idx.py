"""IDX, the format of MNIST: a header of big-endian numbers, then an array of bytes."""

import gzip
import math
import pathlib
import struct
import zlib

import numpy as np

from tfgan2.program import UsageError

UNSIGNED_BYTES = 0x08
MAX_BYTES = 2**31


def read(path: pathlib.Path, *, dimensions: int) -> np.ndarray:
    """Reads an IDX file, gzipped or not.

    Args:
      path: the file.
      dimensions: dimensions that the array must have: 1 for labels, 3 for images.

    Returns:
      uint8, in the shape of the header.

    Raises:
      UsageError: the file cannot be read, or is not exactly one such array.
    """
    # Read the file.
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(str(path), "must be a readable IDX file", error) from error
    # Check the header, and the size that it states.
    magic, expected = content[:4], bytes([0, 0, UNSIGNED_BYTES, dimensions])
    if magic != expected:
        rule = f"must begin as IDX of {dimensions} dimensions ({expected.hex()})"
        raise UsageError(str(path), rule, magic.hex() or "nothing")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise UsageError(str(path), f"must have a header of {start} bytes", len(content))
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    size = math.prod(shape)
    if size > MAX_BYTES or len(content) != start + size:
        rule = f"must have {start + size} bytes, as its header {shape} says"
        raise UsageError(str(path), rule, len(content))
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
