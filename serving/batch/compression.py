"""Streams of compressed files; a truncated file raises an error."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import BinaryIO, cast

import zstandard

CHUNK_BYTES = 2**16


class ZstdStream(io.RawIOBase):
    """Reads all Zstandard frames; zstandard's own reader accepts a truncated frame as complete."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun, self._rest, self._pending = False, b"", b""

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads bytes into a buffer.

        Raises:
          EOFError: a frame is truncated.
          zstandard.ZstdError: the content is not a frame, or a damaged one.
        """
        while not self._pending:
            chunk = self._rest or self._file.read(CHUNK_BYTES)
            self._rest = b""
            if not chunk:
                if self._begun:
                    raise EOFError("a Zstandard frame is cut off")
                return 0
            self._begun = True
            self._pending = self._frame.decompress(chunk)
            if self._frame.eof:
                self._rest = self._frame.unused_data
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._begun = False
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


_OPENERS: dict[str, Callable[[BinaryIO], object]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda file: io.BufferedReader(ZstdStream(file), CHUNK_BYTES),
}
# Errors of the openers for content that is damaged, truncated or in another format.
ERRORS = (OSError, EOFError, ValueError, lzma.LZMAError, zstandard.ZstdError)


def split(name: str) -> tuple[str, str]:
    """Splits a file name into its stem and its compression suffix; "" without compression."""
    for suffix in _OPENERS:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    return name, ""


def decompressed(file: BinaryIO, suffix: str) -> BinaryIO:
    """The decompressed stream of a file with this suffix; the file itself for ""."""
    return cast(BinaryIO, _OPENERS[suffix](file)) if suffix else file
