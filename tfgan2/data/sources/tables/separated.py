"""Tables whose fields are separated by commas, semicolons, tabs or bars."""

import csv
import io
from collections.abc import Iterator, Sequence

from tfgan2.data.sources import Reject
from tfgan2.data.sources.tables.rows import Cells, Columns, ColumnsError

SEPARATORS = (",", ";", "\t", "|")


def read(text: str, columns: Columns) -> Iterator[Cells | Reject]:
    """Reads the rows below the header; the header decides which separator the table has.

    An open quote costs its line: the next row begins on the next line.

    Args:
      text: content of the table.
      columns: names of the columns to read.

    Yields:
      The cells of a row, or a reject whose key is `:LINE`.

    Raises:
      ColumnsError: the header lacks the columns with every separator.
    """
    lines = list(io.StringIO(text, newline=""))
    separator, header = _header(lines, columns)
    chosen = columns.choose(header)
    if chosen is None:
        raise ColumnsError(header)
    image, caption = map(header.index, chosen)
    for number, fields in _records(lines, separator, width=len(header)):
        if isinstance(fields, str):
            yield Reject(f":{number}", f"line is no CSV: {fields}")
        elif len(fields) == len(header):
            yield Cells(fields[image], fields[caption])
        elif fields:
            reason = f"line must have {len(header)} fields, has {len(fields)}"
            yield Reject(f":{number}", reason)


def _header(lines: Sequence[str], columns: Columns) -> tuple[str, list[str]]:
    """Returns the separator that gives the wanted columns, or most columns, and the header."""
    headers = {separator: _fields(lines[0] if lines else "", separator) for separator in SEPARATORS}
    for separator, header in headers.items():
        if columns.choose(header) is not None:
            return separator, header
    return max(headers.items(), key=lambda one: len(one[1]))


def _fields(line: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _records(
    lines: Sequence[str], separator: str, *, width: int
) -> Iterator[tuple[int, list[str] | str]]:
    """Yields the line number and the fields of every record below the header, or its error."""
    start = 1
    while start < len(lines):
        rest = map(lines.__getitem__, range(start, len(lines)))
        reader = csv.reader(rest, delimiter=separator, strict=True)
        first, begin = start, start  # The first line of the record, and that of the reader.
        start = len(lines)
        try:
            for fields in reader:
                end = begin + reader.line_num
                if end - first > 1 and len(fields) != width:
                    # A quote that is closed in another row.
                    yield first + 1, "a quote is open"
                    start = first + 1
                    break
                yield first + 1, fields
                first = end
        except csv.Error as error:
            yield first + 1, str(error)
            start = first + 1
