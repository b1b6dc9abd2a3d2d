"""Reads caption files as a stream: text, CSV, JSON lines and TFRecords."""

import csv
import dataclasses
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from serving.batch import compression, messages, storage, tfrecords

MAX_CAPTION_BYTES = 2**17
MAX_LINE_BYTES = 2**20
COLUMN = "caption"
_BOM = b"\xef\xbb\xbf"
_TOO_LONG = f"line: must have at most {MAX_LINE_BYTES} bytes, got more"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry of a caption file.

    Attributes:
      caption: bytes of the caption, UTF-8 or not; None if the entry has no readable caption.
      problem: reason why the entry cannot be drawn; None if it can.
    """

    caption: bytes | None
    problem: str | None = None


class DamagedFileError(ValueError):
    """A file cannot be read to its end, so its number of captions is unknown."""


def read(path: str) -> Iterator[Entry]:
    """Reads the entries of a file; holds only one line or record in memory.

    Args:
      path: the suffix gives the format: .csv, .jsonl or .ndjson, .tfrecord or .tfrecords; else
        text with one caption per line. A second suffix .gz, .bz2, .xz or .zst: compressed.

    Raises:
      DamagedFileError: the file cannot be read to its end, or a CSV has no `caption` column.
    """
    stem, suffix = compression.split(path)
    kind = stem.rpartition(".")[2].lower()
    try:
        with storage.opened(path) as file:
            stream = compression.decompressed(file, suffix)
            if kind in ("tfrecord", "tfrecords"):
                yield from _record_entries(stream)
            elif kind == "csv":
                yield from _csv_entries(stream)
            elif kind in ("jsonl", "ndjson"):
                yield from map(_json_entry, _lines(stream))
            else:
                yield from map(_text_entry, _lines(stream))
    except compression.ERRORS as error:
        raise DamagedFileError(f"{path} ({error or type(error).__name__})") from error


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yields lines without line ends and byte order mark; None for a line that is too long."""
    first = True
    # The limit includes the byte order mark and the line end.
    while line := stream.readline(MAX_LINE_BYTES + len(_BOM) + len(b"\r\n")):
        if first:
            line, first = line.removeprefix(_BOM), False
            if not line:
                return
        whole = line.endswith(b"\n")
        content = line.removesuffix(b"\n")
        if whole:
            content = content.removesuffix(b"\r")
        if len(content) <= MAX_LINE_BYTES:
            yield content
            continue
        while not whole:
            rest = stream.readline(MAX_LINE_BYTES)
            whole = not rest or rest.endswith(b"\n")
        yield None


def _entry(caption: bytes) -> Entry:
    if len(caption) > MAX_CAPTION_BYTES:
        rule = f"must have at most {MAX_CAPTION_BYTES} bytes"
        return Entry(caption, f"caption: {rule}, got {len(caption)}")
    return Entry(caption)


def _text_entry(line: bytes | None) -> Entry:
    return Entry(None, _TOO_LONG) if line is None else _entry(line)


def _json_entry(line: bytes | None) -> Entry:
    """The entry of a JSON line; keeps bytes that are not UTF-8; a blank line is empty text."""
    if line is None or not line.strip():
        return _text_entry(None if line is None else b"")
    rule = f"must be a JSON string, or an object with a string `{COLUMN}`"
    try:
        value: Any = json.loads(line.decode("utf-8", "surrogateescape"))
        if isinstance(value, dict):
            value = value.get(COLUMN)
        if not isinstance(value, str):
            return Entry(None, f"line: {rule}, got none")
        return _entry(value.encode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        return Entry(None, f"line: {rule}, got {error}")


def _table_line(line: bytes | None) -> str:
    """The line of a CSV file for `csv.reader`."""
    if line is None:
        raise csv.Error(_TOO_LONG)
    return line.decode("utf-8", "surrogateescape") + "\n"


def _csv_entries(stream: BinaryIO) -> Iterator[Entry]:
    # `map`, unlike a generator, goes on after the error of a too long line.
    table = csv.reader(map(_table_line, _lines(stream)))
    try:
        header = next(table, [])
        column = header.index(COLUMN)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"a CSV file must have a column `{COLUMN}` in its first line") from error
    while True:
        try:
            fields = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield Entry(None, f"row: must be CSV, got {error}")
            continue
        if not fields:
            yield Entry(b"")
        elif len(fields) <= column:
            yield Entry(None, f"row: must have {column + 1} fields or more, got {len(fields)}")
        else:
            yield _entry(fields[column].encode("utf-8", "surrogateescape"))


def _record_entries(stream: BinaryIO) -> Iterator[Entry]:
    """Yields `caption` of each record, or the several `captions` of a tools.prepare record."""
    for record in tfrecords.records(stream):
        try:
            features = messages.Example.FromString(record).features.feature
        except Exception as error:  # The class depends on protobuf's implementation.
            yield Entry(None, f"record: must be a tf.train.Example, got {error}")
            continue
        values = [
            value
            for name in (COLUMN, "captions")
            if name in features
            for value in features[name].bytes_list.value
        ]
        if not values:
            yield Entry(None, f"record: must have a feature `{COLUMN}` or `captions`, got none")
        yield from map(_entry, values)
