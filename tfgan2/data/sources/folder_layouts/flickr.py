"""Captions of Flickr8k and Flickr30k: NAME.jpg#0<tab>caption, or Kaggle's captions.txt."""

import posixpath
import re
from collections.abc import Iterator

from plain_text import decoding
from tfgan2.data.sources import Reject, SourceOptions, captions
from tfgan2.data.sources.folder_layouts import Entry, Layout, table_entries
from tfgan2.data.sources.tables import Row
from tfgan2.data.sources.tree import Tree, suffix, unreadable

# Files of Kaggle's copies, with a header.
WITH_HEADER = ("captions.txt", "results.csv")
NUMBERED = re.compile(r"([^\t]+)#\d+\t(.*)")
PEEKED_BYTES = 4096


def _tables(tree: Tree, options: SourceOptions) -> list[str]:
    return [
        key
        for key in tree.files
        if key not in tree.texts_beside
        and (posixpath.basename(key) in WITH_HEADER or suffix(key) in (".txt", ".token"))
        and (_is_numbered(tree, key, options.encoding) or _has_header(tree, key, options.encoding))
    ]


def _entries(tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    if not _is_numbered(tree, key, options.encoding):
        return table_entries(tree, key, options)
    return _numbered(tree, key, options.encoding)


def _numbered(tree: Tree, key: str, encoding: str | None) -> Iterator[Entry]:
    try:
        lines = captions.read_lines(tree.files[key], encoding)
    except OSError as error:
        yield Reject(key, unreadable(error))
        return
    for number, line in enumerate(lines, start=1):
        found = NUMBERED.fullmatch(line)
        if found is None:
            yield Reject(f"{key}:{number}", "line must be NAME#NUMBER, a tab, CAPTION")
        else:
            yield Row(found[1], (found[2],))


def _first_line(tree: Tree, key: str, encoding: str | None) -> str:
    try:
        with tree.files[key].open("rb") as file:
            beginning = decoding.decode_leniently(file.read(PEEKED_BYTES), encoding)
    except OSError:
        return ""
    return beginning.partition("\n")[0].rstrip("\r")


def _is_numbered(tree: Tree, key: str, encoding: str | None) -> bool:
    return NUMBERED.fullmatch(_first_line(tree, key, encoding)) is not None


def _has_header(tree: Tree, key: str, encoding: str | None) -> bool:
    """Whether the file has the header of Kaggle's captions.txt or results.csv."""
    if posixpath.basename(key) not in WITH_HEADER:
        return False
    line = _first_line(tree, key, encoding)
    names = re.split(r"\s*[,|]\s*", line.strip())
    return names[:1] in (["image"], ["image_name"]) and names[-1] in ("caption", "comment")


LAYOUT = Layout(
    title="captions of Flickr8k and Flickr30k",
    example="captions.txt: image,caption; or *.token.txt: NAME.jpg#0, a tab, the caption",
    tables=_tables,
    entries=_entries,
    anywhere=True,
)
