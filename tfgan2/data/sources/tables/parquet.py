"""Parquet files: tables of captions, and shards with the images inside."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

from tfgan2.data.images import UnreadableError
from tfgan2.data.sources import Reject
from tfgan2.data.sources.tables.rows import Cells, Columns, ColumnsError
from tfgan2.program import UsageError

ROWS_PER_BATCH = 1024


def read(path: pathlib.Path, columns: Columns) -> Iterator[Cells | Reject]:
    """Reads the rows of a table.

    Args:
      path: the file.
      columns: names of the columns to read.

    Yields:
      The cells of a row; or a reject with the key `:ROW`, or with an empty key if the file is
      damaged.

    Raises:
      ColumnsError: the file lacks the columns.
      UsageError: the package pyarrow is not installed.
      OSError: the file cannot be read.
    """
    arrow, parquet = _packages()
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            chosen = columns.choose(names)
            if chosen is None:
                raise ColumnsError(names)
            row = 0
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=list(chosen)):
                for image, caption in zip(*map(_values(batch), chosen), strict=True):
                    row += 1
                    if isinstance(image, str):
                        yield Cells(image, caption)
                    else:
                        yield Reject(f":{row}", f"column {chosen[0]} must hold the name of a file")
    except (arrow.ArrowException, ValueError) as error:
        yield Reject("", _damaged(error))


def _values(batch: Any) -> Any:
    return lambda name: batch.column(name).to_pylist()


def image_column(path: pathlib.Path) -> str | None:
    """Returns the column that holds images, a struct with the field `bytes`.

    Returns:
      The name of the column; None if there is none; empty if the file cannot be read.

    Raises:
      UsageError: the package pyarrow is not installed.
    """
    arrow, parquet = _packages()
    try:
        schema = parquet.read_schema(path)
    except (arrow.ArrowException, ValueError, OSError):
        return ""
    for field in schema:
        kind = field.type
        if arrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return field.name
    return None


def captions_of_images(
    path: pathlib.Path, columns: Columns
) -> Iterator[tuple[int, int, object] | Reject]:
    """Reads the captions of a shard whose rows hold images.

    Args:
      path: the file.
      columns: names of the columns; the first one of `image` is the column of the images.

    Yields:
      Row group, row in the group, and caption or captions; or a reject with an empty key if the
      file is damaged.

    Raises:
      ColumnsError: the file lacks the columns.
      OSError: the file cannot be read.
    """
    arrow, parquet = _packages()
    try:
        with parquet.ParquetFile(path) as file:
            chosen = columns.choose(file.schema_arrow.names)
            if chosen is None:
                raise ColumnsError(file.schema_arrow.names)
            for group in range(file.num_row_groups):
                values = file.read_row_group(group, columns=[chosen[1]]).column(0).to_pylist()
                for row, value in enumerate(values):
                    yield group, row, value
    except (arrow.ArrowException, ValueError) as error:
        yield Reject("", _damaged(error))


def image_bytes(path: pathlib.Path, column: str, group: int, row: int) -> bytes:
    """Reads the bytes of an image in a shard.

    Raises:
      UnreadableError: the row has no image, or the file is damaged.
      OSError: the file cannot be read.
    """
    arrow, _ = _packages()
    try:
        content = _row_group(path, column, group)[row].as_py()
    except (arrow.ArrowException, ValueError) as error:
        raise UnreadableError(f"file {_damaged(error)}") from error
    found = None if content is None else content["bytes"]
    if not isinstance(found, bytes):
        raise UnreadableError("row has no bytes of an image")
    return found


@functools.lru_cache(maxsize=1)
def _row_group(path: pathlib.Path, column: str, group: int) -> Any:
    """Reads the images of a row group; kept, because its rows are read in order."""
    _, parquet = _packages()
    with parquet.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column]).column(0)


def _damaged(error: Exception) -> str:
    return f"cannot be read as parquet: {' '.join(str(error).split())[:200]}"


def _packages() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        rule = "must be installed for parquet files (pip install 'tfgan2[parquet]')"
        raise UsageError("pyarrow", rule, error) from error
    return pyarrow, pyarrow.parquet
