"""Layouts of captions in a user's folder, one file per layout."""

import dataclasses
import posixpath
from collections.abc import Callable, Iterator

from tfgan2.data.sources import Reject, SourceOptions
from tfgan2.data.sources.tables import SUFFIXES, Columns, Row, read
from tfgan2.data.sources.tree import Tree

IMAGE_COLUMNS = ("file_name", "filename", "image", "image_name", "image_path", "file", "path")
CAPTION_COLUMNS = ("text", "caption", "captions", "prompt", "description", "comment")


@dataclasses.dataclass(frozen=True)
class Stored:
    """An image inside a table, with its captions.

    Attributes:
      key: name of the image within the folder.
      content: returns the bytes of the image file; runs in another process.
      texts: captions of the image.
    """

    key: str
    content: Callable[[], bytes]
    texts: tuple[object, ...]


Entry = Row | Stored | Reject


@dataclasses.dataclass(frozen=True)
class Layout:
    """A form in which folders hold captions.

    Attributes:
      title: name of the layout, for messages.
      example: an example of its files, in a line.
      tables: returns the keys of the files of this layout in a tree.
      entries: yields the entries of one of these files; raises `ColumnsError` if the file has
        other columns.
      anywhere: whether a name of a file finds its image in the whole tree, instead of below the
        folder of the table.
      columns_needed: whether a file with other columns is an error, instead of a reject.
    """

    title: str
    example: str
    tables: Callable[[Tree, SourceOptions], list[str]]
    entries: Callable[[Tree, str, SourceOptions], Iterator[Entry]]
    anywhere: bool = False
    columns_needed: bool = False


def columns_of(options: SourceOptions, *, caption: tuple[str, ...] = CAPTION_COLUMNS) -> Columns:
    """Returns the columns of the options or, for an option that is not given, the known columns."""
    return Columns(
        image=(options.image_column,) if options.image_column else IMAGE_COLUMNS,
        caption=(options.caption_column,) if options.caption_column else caption,
    )


def named(tree: Tree, stem: str) -> list[str]:
    """Returns the keys of the tables of a name, with any suffix that is read."""
    wanted = {stem + suffix for suffix in SUFFIXES}
    return [key for key in tree.files if posixpath.basename(key) in wanted]


def table_entries(tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    """Yields the entries of a table with the columns of the options, or with known columns.

    Raises:
      ColumnsError: the table has other columns.
    """
    return read(tree.files[key], columns_of(options), key=key, encoding=options.encoding)
