"""Compressed files as streams that fail when they are cut off."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import BinaryIO, cast

import zstandard

CHUNK_BYTES = 2**16


class ZstdStream(io.RawIOBase):
    """Frames one after the other; zstandard's own reader takes one that is cut off as whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun, self._rest, self._pending = False, b"", b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads some bytes.

        Raises:
          EOFError: a frame is cut off.
          zstandard.ZstdError: it is no frame, or a damaged one.
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
# What they raise for content that is damaged, cut off, or not theirs.
ERRORS = (OSError, EOFError, ValueError, lzma.LZMAError, zstandard.ZstdError)


def split(name: str) -> tuple[str, str]:
    """The name of a file without what its compression adds, and that; "" where there is none."""
    for suffix in _OPENERS:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    return name, ""


def decompressed(file: BinaryIO, suffix: str) -> BinaryIO:
    """The content of a file whose name ends so; the file itself for ""."""
    return cast(BinaryIO, _OPENERS[suffix](file)) if suffix else file
