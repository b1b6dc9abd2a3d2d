"""Captions from the names of the image files, or of their folders (--caption_from)."""

import posixpath
import re
from collections.abc import Iterator

from tfgan2.data.sources import SourceOptions, splits
from tfgan2.data.sources.folder_layouts import Entry, Layout
from tfgan2.data.sources.tables import Row
from tfgan2.data.sources.tree import Tree

SEPARATORS = re.compile(r"[\s_-]+")
# A number at the end, also in brackets, and also directly behind a letter.
COUNTER = re.compile(r"[\s_-]*\(?\d+\)?[\s_-]*$")


def from_file(key: str) -> str:
    """Returns the words of a file name, without the numbers at its end."""
    stem = posixpath.splitext(posixpath.basename(key))[0]
    while (shorter := COUNTER.sub("", stem)) != stem:
        stem = shorter
    return SEPARATORS.sub(" ", stem).strip()


def from_folder(key: str) -> str:
    """Returns the words of the name of an image's folder; the folder of a split has none."""
    folder = posixpath.dirname(key)
    if splits.of_folder(key) is not None and "/" not in folder:
        return ""
    return SEPARATORS.sub(" ", posixpath.basename(folder)).strip()


def _entries(tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    by_file = options.caption_from == "filename"
    for image in tree.images:
        yield Row(image, (from_file(image) if by_file else from_folder(image),))


LAYOUT = Layout(
    title="names of files or folders",
    example="red_apple_01.png: --caption_from=filename; apples/1.png: --caption_from=folder",
    tables=lambda tree, options: [""],
    entries=_entries,
)
