"""Any table, whose columns --image_column and --caption_column name."""

from tfgan2.data.sources import SourceOptions
from tfgan2.data.sources.folder_layouts import Layout, table_entries
from tfgan2.data.sources.tables import SUFFIXES
from tfgan2.data.sources.tree import Tree, suffix


def _tables(tree: Tree, options: SourceOptions) -> list[str]:
    if options.image_column is None and options.caption_column is None:
        return []
    return [key for key in tree.files if suffix(key) in SUFFIXES]


LAYOUT = Layout(
    title="tables with your columns",
    example="NAME.csv, .tsv, .json, .jsonl or .parquet: --image_column=NAME --caption_column=NAME",
    tables=_tables,
    entries=table_entries,
)
