"""Reads tables of captions: a format per file; the suffix of a table names its format."""

import ast
import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator

from plain_text import decoding
from tfgan2.data.sources import Reject
from tfgan2.data.sources.tables import json_rows, parquet, separated
from tfgan2.data.sources.tables.rows import Cells, Columns, ColumnsError, Row
from tfgan2.data.sources.tree import unreadable

__all__ = ["SUFFIXES", "Columns", "ColumnsError", "Row", "captions_of", "column_names", "read"]

Reader = Callable[[pathlib.Path, Columns, str | None], Iterator[Cells | Reject]]
_LIST_CHARACTERS = 100_000


def _of_text(read: Callable[[str, Columns], Iterator[Cells | Reject]]) -> Reader:
    return lambda path, columns, encoding: read(
        decoding.decode_leniently(path.read_bytes(), encoding), columns
    )


_READERS: dict[str, Reader] = {
    ".csv": _of_text(separated.read),
    ".tsv": _of_text(separated.read),
    ".json": _of_text(json_rows.read),
    ".jsonl": _of_text(json_rows.read),
    ".ndjson": _of_text(json_rows.read),
    ".parquet": lambda path, columns, encoding: parquet.read(path, columns),
}
SUFFIXES = frozenset(_READERS)


def read(
    path: pathlib.Path, columns: Columns, *, key: str, encoding: str | None
) -> Iterator[Row | Reject]:
    """Reads a table; a file with another suffix than `SUFFIXES` is read as CSV.

    Args:
      path: the file.
      columns: names of the columns to read.
      key: name of the table, for rejects.
      encoding: encoding of a table of text without a byte order mark; None: UTF-8.

    Yields:
      The rows, and a reject per row that cannot be read; or a reject of the table.

    Raises:
      ColumnsError: the table has no such columns.
    """
    reader = _READERS.get(path.suffix.lower(), _READERS[".csv"])
    try:
        for found in reader(path, columns, encoding):
            if isinstance(found, Reject):
                yield dataclasses.replace(found, key=f"{key}{found.key}")
            else:
                yield Row(found.image, captions_of(found.captions))
    except OSError as error:
        yield Reject(key, unreadable(error))


def captions_of(value: object) -> tuple[object, ...]:
    """Returns the captions of a cell: of a list, of a list as text (`["a", "b"]`), or the cell."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]") and len(text) <= _LIST_CHARACTERS:
            listed = _literal(text)
            if isinstance(listed, list) and listed and all(isinstance(it, str) for it in listed):
                return tuple(listed)
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def column_names(path: pathlib.Path, encoding: str | None) -> list[str]:
    """Returns the columns of a table, for messages; none if they cannot be read."""
    try:
        _exhaust(_READERS[path.suffix.lower()](path, Columns((), ()), encoding))
    except ColumnsError as error:
        return error.found
    except OSError:
        pass
    return []


def _exhaust(rows: Iterable[object]) -> None:
    for _ in rows:
        pass


def _literal(text: str) -> object:
    """Returns the value of a literal of Python or JSON, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Texts with backslashes that Python does not know.
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
