"""A text file beside each image: NAME.txt for NAME.png, with a caption per line."""

import posixpath
from collections.abc import Iterator

from tfgan2.data.sources import Reject, SourceOptions, captions
from tfgan2.data.sources.folder_layouts import Entry, Layout
from tfgan2.data.sources.tables import Row
from tfgan2.data.sources.tree import Tree, printable, unreadable


def _entries(tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    try:
        texts = tuple(captions.read_lines(tree.files[key], options.encoding))
    except OSError as error:
        yield Reject(printable(key), unreadable(error))
        return
    for image in tree.texts_beside[key]:
        yield Row(posixpath.basename(image), texts)


LAYOUT = Layout(
    title="text files beside the images",
    example="a.png, a.txt: a caption per line",
    tables=lambda tree, options: list(tree.texts_beside),
    entries=_entries,
)
