"""Reads caption files: text, CSV, JSON, parquet and TFRecords; all but JSON arrays as a stream."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
from collections.abc import Iterator
from typing import BinaryIO

from pyarrow import ArrowException, parquet

from plain_text import decoding
from serving.batch import compression, messages, storage, tfrecords

MAX_CAPTION_BYTES = 2**17
MAX_LINE_BYTES = 2**20
COLUMN = "caption"
SEPARATORS = (",", ";", "\t", "|")
# Names that a header of a table of captions may have besides `caption`.
OTHER_COLUMNS = frozenset(
    {"id", "key", "image", "image_name", "file", "file_name", "filename", "label"}
)
# First bytes of files that hold no lines of captions.
FORMATS = {
    b"PK\x03\x04": "zip (xlsx, docx, ods, ...)",
    b"PAR1": "parquet",
    b"\x1f\x8b": "gzip",
    b"%PDF": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}
_JSON_RULE = f"must be a JSON string, or an object with a string `{COLUMN}`"
_TOO_LONG = f"line: must have at most {MAX_LINE_BYTES} bytes, got more"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry of a caption file.

    Attributes:
      caption: bytes of the caption, UTF-8 if it can be drawn; None if the entry has no readable
        caption.
      problem: reason why the entry cannot be drawn; None if it can.
    """

    caption: bytes | None
    problem: str | None = None


class DamagedFileError(ValueError):
    """A file cannot be read to its end, so its number of captions is unknown."""


def read(path: str, encoding: str | None = None) -> Iterator[Entry]:
    """Reads the entries of a file; holds one line, record or batch in memory, or a JSON array.

    Args:
      path: the suffix gives the format: .csv or .tsv, .json, .jsonl or .ndjson, .parquet,
        .tfrecord or .tfrecords; else text with one caption per line. A second suffix .gz, .bz2, .xz
        or .zst: compressed.
      encoding: encoding of text without a byte order mark; None: UTF-8. Parquet and TFRecords hold
        UTF-8.

    Raises:
      decoding.EncodingError: a line of text is not in its encoding.
      DamagedFileError: the file cannot be read to its end, a table has no column `caption`, or the
        content is of another format than the name says.
    """
    stem, suffix = compression.split(path)
    kind = stem.rpartition(".")[2].lower()
    try:
        with storage.opened(path) as file:
            stream = compression.decompressed(file, suffix)
            if kind in ("tfrecord", "tfrecords"):
                yield from _record_entries(stream)
                return
            if kind == "parquet":
                yield from _parquet_entries(stream)
                return
            text = io.BufferedReader(decoding.UTF8Stream(stream, encoding))
            if kind in ("csv", "tsv"):
                yield from _csv_entries(text)
            elif kind == "json":
                yield from _json_entries(text)
            elif kind in ("jsonl", "ndjson"):
                yield from map(_json_entry, _lines(text))
            else:
                yield from _text_entries(text)
    except decoding.EncodingError as error:
        raise decoding.EncodingError(f"{path}, {error}") from error
    except (*compression.ERRORS, ArrowException) as error:
        raise DamagedFileError(f"{path} ({error or type(error).__name__})") from error


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yields lines without line ends; None for a line that is too long.

    Raises:
      decoding.EncodingError: a line is not UTF-8.
      ValueError: the content is of another format.
    """
    number = 0
    # The limit includes the line end.
    while line := stream.readline(MAX_LINE_BYTES + len(b"\r\n")):
        number += 1
        for beginning, name in FORMATS.items() if number == 1 else ():
            if line.startswith(beginning):
                raise ValueError(f"a file of captions must be text, got {name}")
        whole = line.endswith(b"\n")
        content = line.removesuffix(b"\n")
        if whole:
            content = content.removesuffix(b"\r")
        if len(content) <= MAX_LINE_BYTES:
            if not _is_utf8(content):
                rest = line + stream.read(decoding.GUESSED_BYTES)
                raise decoding.wrong_encoding(rest, decoding.UTF_8, line=number)
            yield content
            continue
        while not whole:
            rest = stream.readline(MAX_LINE_BYTES)
            whole = not rest or rest.endswith(b"\n")
        yield None


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _entry(caption: bytes) -> Entry:
    if len(caption) > MAX_CAPTION_BYTES:
        rule = f"must have at most {MAX_CAPTION_BYTES} bytes"
        return Entry(caption, f"caption: {rule}, got {len(caption)}")
    if not _is_utf8(caption):
        return Entry(caption, "caption: must be UTF-8, got other bytes")
    if not decoding.is_text(caption.decode()):
        return Entry(caption, "caption: must be text, got many control characters")
    return Entry(caption)


def _text_entry(line: bytes | None) -> Entry:
    return Entry(None, _TOO_LONG) if line is None else _entry(line)


def _text_entries(stream: BinaryIO) -> Iterator[Entry]:
    """Yields an entry per line.

    Raises:
      ValueError: the first line is the header of a table.
    """
    for number, line in enumerate(_lines(stream)):
        if number == 0 and line is not None and _is_header(line):
            rule = "a table must have a name in .csv or .tsv, or lines of captions have no header"
            raise ValueError(f"{rule}, got the header {line.decode()}")
        yield _text_entry(line)


def _is_header(line: bytes) -> bool:
    """Whether a line holds nothing but names of columns, `caption` among them."""
    text = line.decode()
    for separator in SEPARATORS:
        names = {name.strip(' "\r').lower() for name in text.split(separator)}
        if COLUMN in names and names <= OTHER_COLUMNS | {COLUMN}:
            return True
    return False


def _json_entry(line: bytes | None) -> Entry:
    """The entry of a JSON line; a blank line is empty text."""
    if line is None or not line.strip():
        return _text_entry(None if line is None else b"")
    try:
        return _value_entry(json.loads(line))
    except (ValueError, RecursionError) as error:
        return Entry(None, f"line: {_JSON_RULE}, got {error}")


def _value_entry(value: object) -> Entry:
    """The entry of a JSON value.

    Raises:
      ValueError: the caption has a lone surrogate that stands for no byte.
    """
    caption = value.get(COLUMN) if isinstance(value, dict) else value
    if not isinstance(caption, str):
        return Entry(None, f"line: {_JSON_RULE}, got none")
    return _entry(caption.encode("utf-8", "surrogateescape"))


def _json_entries(stream: BinaryIO) -> Iterator[Entry]:
    """Yields the entries of a JSON array or, if the file begins otherwise, of its lines."""
    lines = _lines(stream)
    first = next((line for line in lines if line is None or line.strip()), b"")
    if first is None or not first.lstrip().startswith(b"["):
        yield from map(_json_entry, itertools.chain([first], lines))
        return
    rest = b"\n".join(line for line in lines if line is not None)
    try:
        values = json.loads(first + b"\n" + rest)
    except RecursionError as error:
        raise ValueError("a JSON array must hold captions, got one that is too deep") from error
    for value in values:
        try:
            yield _value_entry(value)
        except ValueError as error:
            yield Entry(None, f"line: {_JSON_RULE}, got {error}")


def _parquet_entries(stream: BinaryIO) -> Iterator[Entry]:
    file = parquet.ParquetFile(stream)
    if COLUMN not in file.schema_arrow.names:
        found = ", ".join(file.schema_arrow.names)
        raise ValueError(f"a parquet file must have a column `{COLUMN}`, got {found}")
    for batch in file.iter_batches(columns=[COLUMN]):
        yield from map(_value_entry, batch.column(0).to_pylist())


def _table_line(line: bytes | None) -> str:
    """The line of a CSV file for `csv.reader`."""
    if line is None:
        raise csv.Error(_TOO_LONG)
    return line.decode() + "\n"


def _header(line: bytes | None) -> tuple[str, int]:
    """Returns the separator of a table, and the index of its column of captions.

    Raises:
      ValueError: the table has no such column with any separator.
    """
    text = "" if line is None else line.decode()
    for separator in SEPARATORS:
        with contextlib.suppress(csv.Error):
            names = next(csv.reader([text], delimiter=separator, strict=True), [])
            if COLUMN in names:
                return separator, names.index(COLUMN)
    rule = f"a CSV file must have a column `{COLUMN}` in its first line"
    raise ValueError(f"{rule}, got {text[:80]!r}")


def _csv_entries(stream: BinaryIO) -> Iterator[Entry]:
    lines = _lines(stream)
    separator, column = _header(next(lines, b""))
    # `map`, unlike a generator, goes on after the error of a too long line.
    table = csv.reader(map(_table_line, lines), delimiter=separator)
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
            yield _entry(fields[column].encode())


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
