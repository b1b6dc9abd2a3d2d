"""Streams of compressed files; a truncated file raises an error."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import BinaryIO, cast

import pyarrow

CHUNK_BYTES = 2**16


_OPENERS: dict[str, Callable[[BinaryIO], object]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    # The reader of the package zstandard accepts a truncated frame as complete.
    ".zst": lambda file: io.BufferedReader(
        pyarrow.CompressedInputStream(file, "zstd"), CHUNK_BYTES
    ),
}
# Errors of the openers for content that is damaged, truncated or in another format.
ERRORS = (OSError, EOFError, ValueError, lzma.LZMAError)


def split(name: str) -> tuple[str, str]:
    """Splits a file name into its stem and its compression suffix; "" without compression."""
    for suffix in _OPENERS:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    return name, ""


def decompressed(file: BinaryIO, suffix: str) -> BinaryIO:
    """The decompressed stream of a file with this suffix; the file itself for ""."""
    return cast(BinaryIO, _OPENERS[suffix](file)) if suffix else file
