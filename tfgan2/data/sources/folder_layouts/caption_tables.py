"""A table that is called captions: captions.csv, .tsv, .json, .jsonl or .parquet."""

from collections.abc import Iterator

from tfgan2.data.sources import SourceOptions
from tfgan2.data.sources.folder_layouts import Entry, Layout, columns_of, named
from tfgan2.data.sources.tables import read
from tfgan2.data.sources.tree import Tree

COLUMNS = ("caption", "captions", "text", "prompt", "description")


def _entries(tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    columns = columns_of(options, caption=COLUMNS)
    return read(tree.files[key], columns, key=key, encoding=options.encoding)


LAYOUT = Layout(
    title="a table of captions",
    example="captions.csv, .tsv, .json, .jsonl or .parquet: file_name and caption",
    tables=lambda tree, options: named(tree, "captions"),
    entries=_entries,
    columns_needed=True,
)
