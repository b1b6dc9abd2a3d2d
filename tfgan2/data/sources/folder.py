"""A user's own images in any folder tree, with captions in one or several layouts."""

import collections
import dataclasses
import functools
import os
import pathlib
import posixpath
import re
from collections.abc import Container, Iterator, Mapping, Sequence

from tfgan2.data import images
from tfgan2.data.sources import (
    Collection,
    Reject,
    SourceOptions,
    captioned,
    file_counts,
    splits,
    tables,
)
from tfgan2.data.sources.captioned import Captioned
from tfgan2.data.sources.folder_layouts import (
    Entry,
    Layout,
    Stored,
    caption_tables,
    flickr,
    image_folder,
    names,
    own_columns,
    parquet_shards,
    text_files,
)
from tfgan2.data.sources.tree import IMAGE_SUFFIXES, NotFoundError, Tree, printable, suffix
from tfgan2.data.sources.tree import read as read_tree
from tfgan2.program import UsageError

# Images of other formats; .tga files have no signature by which they are known.
OTHER_SUFFIXES = (
    frozenset(
        {".avif", ".avifs", ".heic", ".heics", ".heif", ".jxl", ".jxr", ".jp2", ".j2k", ".jpx"}
    )
    | {
        ".tga",
        ".dds",
        ".exr",
        ".hdr",
        ".pfm",
        ".qoi",
        ".pcx",
        ".sgi",
        ".ras",
        ".xbm",
        ".xpm",
        ".dib",
    }
    | {".psd", ".xcf", ".svg", ".svgz", ".eps", ".ai", ".wmf", ".emf", ".ico", ".icns", ".cur"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"}
) - IMAGE_SUFFIXES
# Texts that stand beside data sets and are no captions.
DOCUMENT = re.compile(
    r"(read[-_ ]?me|licen[cs]e|copying|copyright|notice|authors|changelog|citation"
    r"|requirements)\b.*",
    re.IGNORECASE,
)
# A file belongs to the first of these layouts that reads it.
LAYOUTS = (
    text_files.LAYOUT,
    parquet_shards.LAYOUT,
    image_folder.LAYOUT,
    caption_tables.LAYOUT,
    flickr.LAYOUT,
    own_columns.LAYOUT,
)
# The layout of `captions_file`: any table, or numbered captions.
CAPTIONS_FILE = dataclasses.replace(
    flickr.LAYOUT,
    title="the table of --captions_file",
    example="a table in another folder: --captions_file=FILE",
    columns_needed=True,
)
OTHER_SOURCES = (
    "tar shards: --source=webdataset",
    "annotations/captions_train2014.json (or 2017): --source=coco",
)
SHOWN_FILES, SHOWN_SUFFIXES = 3, 5


def read(options: SourceOptions) -> Collection:
    """Reads every captioned image below the input directory.

    The captions of an image are those of all layouts: first of the text file beside the image,
    then of tables in the order of their names. `captions_file` or `caption_from` replaces them.

    Args:
      options: `input_dir` is the root of the tree.

    Returns:
      RGB, by default padded to squares; the split is that of the folders train/ and test/, or
      depends on the names of the images.

    Raises:
      UsageError: there is no captioned image, or the columns of a table are not known.
    """
    given = tree = read_tree(options.folder)
    rejects = [*tree.rejects]
    # Assign the captions of all layouts to the images.
    read_files = _tables(tree, options)
    tree = dataclasses.replace(tree, files={**tree.files, **_outside(options)})
    texts: dict[str, list[object]] = {key: [] for key in tree.images}
    stored: list[Stored] = []
    faulty: set[str] = set()  # Files without a caption that was read.
    for key, layout in read_files.items():
        used, before = False, len(rejects)
        for entry in _entries(layout, tree, key, options):
            if isinstance(entry, Reject):
                rejects.append(entry)
                continue
            used = True
            if isinstance(entry, Stored):
                stored.append(entry)
            else:
                texts[entry.image] += entry.captions
        if not used and len(rejects) > before:
            faulty.add(key)
    unread = [key for key in tree.files if suffix(key) in tables.SUFFIXES and key not in read_files]
    if not texts and not stored:
        rule = f"must hold images ({' '.join(sorted(IMAGE_SUFFIXES))})"
        raise UsageError(
            "--input_dir", rule, options.input_dir, hints=_hints(tree, unread, options.encoding)
        )
    # Keep the captioned images, and split them.
    notes = _notes(read_files)
    if unread and not (texts and all(texts.values())):
        notes.append(f"not read: {_shown(unread)}; see --image_column and --caption_column")
    file = options.captions_file
    sources_of = {_key_in(given, key) if key == file else key: key for key in read_files}
    unused = _unused(given, sources_of, options)
    rejects += [Reject(printable(key), reason) for key, reason in unused.items()]
    found = _captioned(tree, texts, stored, options)
    collection = captioned.collect(found, options, rejects=rejects, notes=notes)
    if not any(collection.splits.values()):
        rule = f"must hold images with captions{_example(collection.rejects)}"
        value = f"{len(texts) + len(stored)} images without captions"
        raise UsageError("--input_dir", rule, value, hints=_hints(tree, unread, options.encoding))
    # Class every file of the folder.
    files = file_counts.classify(
        given,
        accepted={item.key for items in collection.splits.values() for item in items},
        read={key for key, name in sources_of.items() if name not in faulty},
        rejected={*given.images, *sources_of, *unused},
    )
    said = (*collection.notes, *file_counts.skipped(files))
    return dataclasses.replace(collection, files=files, notes=said)


def _outside(options: SourceOptions) -> dict[str, pathlib.Path]:
    """Returns the path of `captions_file` by its key."""
    if options.captions_file is None:
        return {}
    path = pathlib.Path(options.captions_file)
    if not path.is_file():
        raise UsageError("--captions_file", "must be a file", options.captions_file)
    return {options.captions_file: path}


def _key_in(tree: Tree, file: str) -> str:
    """Returns the key that `captions_file` has if it lies in the tree."""
    return os.path.relpath(os.path.realpath(file), os.path.realpath(tree.root))


def _unused(tree: Tree, read_keys: Container[str], options: SourceOptions) -> dict[str, str]:
    """Returns the reason for each file that is left out though it may be meant for the data set."""
    texts_wanted = options.captions_file is None and options.caption_from is None
    reasons: dict[str, str] = {}
    for key in tree.files:
        if key in read_keys or suffix(key) in IMAGE_SUFFIXES:
            continue
        if suffix(key) in OTHER_SUFFIXES:
            reasons[key] = "image is of a format that is not read"
        elif key != printable(key):
            reasons[key] = "file name is not UTF-8"
        elif texts_wanted and suffix(key) == ".txt" and not DOCUMENT.match(posixpath.basename(key)):
            reasons[key] = "text has no image beside it"
    return reasons


def _tables(tree: Tree, options: SourceOptions) -> dict[str, Layout]:
    """Returns the layouts of all files with captions, in the order in which they are read."""
    if options.captions_file is not None and options.caption_from is not None:
        rule = "must be left out with --captions_file"
        raise UsageError("--caption_from", rule, options.caption_from)
    if options.captions_file is not None:
        return {options.captions_file: CAPTIONS_FILE}
    if options.caption_from is not None:
        return {"": names.LAYOUT}
    found: dict[str, Layout] = {}
    for layout in LAYOUTS:
        for key in layout.tables(tree, options):
            found.setdefault(key, layout)
    order = sorted(found, key=lambda key: (found[key] is not text_files.LAYOUT, key))
    return {key: found[key] for key in order}


def _entries(layout: Layout, tree: Tree, key: str, options: SourceOptions) -> Iterator[Entry]:
    """Yields the entries of a file; the name of an image in a row is replaced by its key."""
    folder = "" if layout is CAPTIONS_FILE else posixpath.dirname(key)
    try:
        for entry in layout.entries(tree, key, options):
            if isinstance(entry, Reject | Stored):
                yield entry
                continue
            try:
                image = tree.find(entry.image, folder=folder, anywhere=layout.anywhere)
            except NotFoundError as error:
                yield Reject(printable(entry.image) or key, f"{key} {error}")
                continue
            yield dataclasses.replace(entry, image=image)
    except tables.ColumnsError as error:
        columns = ", ".join(error.found)[:200] or "nothing"
        if layout.columns_needed:
            wanted = ",".join(
                (options.image_column or "file_name", options.caption_column or "caption")
            )
            rule = (
                f"must begin with the header {wanted}, or --image_column and --caption_column must "
                "name columns that it has"
            )
            raise UsageError(printable(key), rule, columns) from error
        yield Reject(key, f"table has no known columns of names and captions, only {columns}")


def _captioned(
    tree: Tree, texts: Mapping[str, list[object]], stored: Sequence[Stored], options: SourceOptions
) -> Iterator[Captioned]:
    framing = options.framing(resize="pad")
    for key in sorted(texts):
        yield Captioned(
            key,
            functools.partial(images.load, tree.files[key], framing=framing),
            texts[key],
            split=splits.of_folder(key),
            label=names.from_folder(key) or None if options.caption_from == "folder" else None,
        )
    for one in stored:
        draw = functools.partial(images.load_from, one.content, framing=framing)
        yield Captioned(one.key, draw, one.texts, split=splits.of_shard(one.key))


def _notes(read_files: Mapping[str, Layout]) -> list[str]:
    """Says which layouts were recognised, and in which files."""
    by_title: dict[str, list[str]] = {}
    for key, layout in read_files.items():
        by_title.setdefault(layout.title, []).append(key)
    return [f"read: {title}: {_shown(keys)}".rstrip(": ") for title, keys in by_title.items()]


def _shown(keys: Sequence[str]) -> str:
    """Returns the first keys and the number of the others."""
    shown = ", ".join(printable(key) for key in keys[:SHOWN_FILES] if key)
    more = len(keys) - SHOWN_FILES
    return f"{shown} and {more} more" if more > 0 else shown


def _example(rejects: Sequence[Reject]) -> str:
    return f" ({rejects[0].key}: {rejects[0].reason})" if rejects else ""


def _hints(tree: Tree, unread: Sequence[str], encoding: str | None) -> list[str]:
    """Lists the files that are there, and the layouts that are read, in lines."""
    lines = []
    if tree.images:
        lines.append(f"found: {len(tree.images)} images, such as {printable(tree.images[0])}")
    for key in unread[:SHOWN_FILES]:
        columns = ", ".join(tables.column_names(tree.files[key], encoding)) or "unknown"
        lines.append(f"found: {printable(key)} with the columns {columns[:200]}")
    others = collections.Counter(
        suffix(key) or posixpath.basename(key)
        for key in tree.files
        if suffix(key) not in IMAGE_SUFFIXES | tables.SUFFIXES
    )
    for name, count in others.most_common(SHOWN_SUFFIXES):
        lines.append(f"found: {count} x {printable(name)}")
    layouts = (*LAYOUTS, CAPTIONS_FILE, names.LAYOUT)
    lines += [f"layout: {layout.example}" for layout in layouts]
    lines += [f"layout: {example}" for example in OTHER_SOURCES]
    return lines
