"""Tables of JSON: an object per line, or an array of objects."""

import json
from collections.abc import Iterator

from tfgan2.data.sources import Reject
from tfgan2.data.sources.tables.rows import Cells, Columns, ColumnsError


def read(text: str, columns: Columns) -> Iterator[Cells | Reject]:
    """Reads an array of objects or one object, or else an object per line.

    Args:
      text: content of the table.
      columns: names of the fields to read.

    Yields:
      The cells of an object, or a reject whose key is `:LINE` or, in an array, `:NUMBER`.

    Raises:
      ColumnsError: the table has objects, and none of them has the fields.
    """
    whole = _parse(text) if text.lstrip().startswith(("[", "{")) else None
    if isinstance(whole, list | dict):
        entries = list(enumerate(whole if isinstance(whole, list) else [whole], start=1))
    else:
        lines = enumerate(text.split("\n"), start=1)
        entries = [(number, _parse(line)) for number, line in lines if line.strip()]
    objects = [entry for _, entry in entries if isinstance(entry, dict)]
    if objects and not any(columns.choose(entry) for entry in objects):
        raise ColumnsError(objects[0])
    rule = 'must be {"file_name": NAME, "text": CAPTION} or {..., "captions": [CAPTION, ]}'
    if len(columns.image) == len(columns.caption) == 1:
        rule = f'must be {{"{columns.image[0]}": NAME, "{columns.caption[0]}": CAPTION}}'
    for number, entry in entries:
        chosen = columns.choose(entry) if isinstance(entry, dict) else None
        if chosen is None or not isinstance(entry[chosen[0]], str):
            yield Reject(f":{number}", f"line {rule}")
        else:
            yield Cells(entry[chosen[0]], entry[chosen[1]])


def _parse(text: str) -> object:
    """Returns the JSON value of a text, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
