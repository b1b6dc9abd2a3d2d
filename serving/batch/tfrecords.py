"""The format of TFRecord files: length, checksum of the length, record, checksum of the record."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

MAX_RECORD_BYTES = 2**28
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")


def frame(record: bytes) -> bytes:
    """The bytes of a record in a file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _FOOTER.pack(_masked(length)), record, _FOOTER.pack(_masked(record))))


def records(file: BinaryIO) -> Iterator[bytes]:
    """Reads the records of a file one by one.

    Raises:
      ValueError: the file is truncated, or a checksum is wrong.
    """
    while header := file.read(_HEADER.size):
        if len(header) < _HEADER.size:
            raise ValueError("a TFRecord is cut off")
        length, checksum = _HEADER.unpack(header)
        if checksum != _masked(header[:8]) or length > MAX_RECORD_BYTES:
            raise ValueError("the length of a TFRecord is damaged")
        content = file.read(length + _FOOTER.size)
        if len(content) < length + _FOOTER.size:
            raise ValueError("a TFRecord is cut off")
        record = content[:length]
        if _FOOTER.unpack(content[length:])[0] != _masked(record):
            raise ValueError("a TFRecord is damaged")
        yield record


def _masked(content: bytes) -> int:
    checksum = google_crc32c.value(content)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
