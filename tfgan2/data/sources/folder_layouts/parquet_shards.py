"""Parquet shards with the images inside, as the package datasets of Hugging Face writes them."""

import functools
from collections.abc import Iterator

from tfgan2.data.sources import Reject, SourceOptions
from tfgan2.data.sources.folder_layouts import Columns, Entry, Layout, Stored, columns_of
from tfgan2.data.sources.tables import captions_of, parquet
from tfgan2.data.sources.tree import Tree, suffix, unreadable


def _tables(tree: Tree, options: SourceOptions) -> list[str]:
    keys = [key for key in tree.files if suffix(key) == ".parquet"]
    return [key for key in keys if parquet.image_column(tree.files[key]) is not None]


def _entries(tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    path = tree.files[key]
    image = options.image_column or parquet.image_column(path) or ""
    columns = Columns((image,), columns_of(options).caption)
    number = 0
    try:
        for found in parquet.captions_of_images(path, columns):
            if isinstance(found, Reject):
                yield Reject(key, found.reason)
                continue
            group, row, value = found
            content = functools.partial(parquet.image_bytes, path, image, group, row)
            yield Stored(f"{key}:{number}", content, captions_of(value))
            number += 1
    except OSError as error:
        yield Reject(key, unreadable(error))


LAYOUT = Layout(
    title="parquet shards with images",
    example="train-00000-of-00001.parquet: image (bytes, path) and text (--caption_column)",
    tables=_tables,
    entries=_entries,
)
