"""A user's own images in any folder tree, with captions beside them or in tables."""

import csv
import functools
import io
import json
import os
import pathlib
from collections import defaultdict
from collections.abc import Iterator

from tfgan2.data import images
from tfgan2.data.sources import (
    Collection,
    Item,
    Reject,
    SourceOptions,
    captions,
    splits,
)
from tfgan2.program import UsageError

LICENCE = "the user's own; not stated"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
OTHER_SUFFIXES = frozenset({".avif", ".heic", ".heif", ".jp2", ".psd", ".svg", ".tif", ".tiff"})
JSONL_NAME, CSV_NAME = "metadata.jsonl", "captions.csv"
CSV_COLUMNS = ("file_name", "caption")

# A row of a table: the file name as written there, and one of its captions; or a reject.
Row = tuple[str, object] | Reject


def read(options: SourceOptions) -> Collection:
    """Reads every captioned image below the input directory.

    The captions of DIR/NAME.png are the lines of DIR/NAME.txt, and its entries in metadata.jsonl
    and captions.csv. These tables may lie in any folder; their file names are relative to it.

    Args:
      options: `input_dir` is the root of the tree.

    Returns:
      RGB, by default padded to squares; the split depends on the file names.

    Raises:
      UsageError: there is no image, or captions.csv has another header.
    """
    root = options.folder
    files, rejects = _files(root)
    # Collect the images and the captions beside them.
    texts: dict[str, list[object]] = defaultdict(list)
    for key in files:
        if pathlib.PurePath(key).suffix.lower() in IMAGE_SUFFIXES:
            beside = str(pathlib.PurePath(key).with_suffix(".txt"))
            try:
                texts[key] = [*captions.read_lines(files[beside])] if beside in files else []
            except OSError as error:
                rejects.append(Reject(_printable(beside), _unreadable(error)))
                texts[key] = []
        elif pathlib.PurePath(key).suffix.lower() in OTHER_SUFFIXES:
            rejects.append(Reject(_printable(key), "image is of a format that is not read"))
    if not texts:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise UsageError("--input_dir", f"must hold images ({kinds})", options.input_dir)
    # Add the captions of tables.
    for key, path in files.items():
        name = pathlib.PurePath(key).name
        if name in (JSONL_NAME, CSV_NAME):
            try:
                text = captions.decode(path.read_bytes())
            except OSError as error:
                rejects.append(Reject(key, _unreadable(error)))
                continue
            rows = _jsonl_rows(text, key) if name == JSONL_NAME else _csv_rows(text, key, path)
            rejects += _assign(rows, table=key, texts=texts)
    # Keep the images with usable captions, and split them.
    framing = options.framing(resize="pad")
    items = []
    for key in sorted(texts):
        usable, faults = captions.usable(_printable(key), texts[key])
        rejects += faults
        if usable and key != _printable(key):
            rejects.append(Reject(_printable(key), "file name is not UTF-8"))
        elif usable:
            draw = functools.partial(images.load, files[key], framing=framing)
            items.append(Item(key=key, draw=draw, captions=usable))
    test = splits.by_key((item.key for item in items), test_fraction=options.test_fraction)
    return Collection(
        splits={
            "train": [item for item in items if item.key not in test],
            "test": [item for item in items if item.key in test],
        },
        licence=LICENCE,
        rejects=tuple(rejects),
    )


def _files(root: pathlib.Path) -> tuple[dict[str, pathlib.Path], list[Reject]]:
    """Returns all files below the root by relative path, and rejects of unreadable folders."""
    found: dict[str, pathlib.Path] = {}
    rejects: list[Reject] = []

    def closed(error: OSError) -> None:
        rejects.append(Reject(_printable(str(error.filename)), _unreadable(error)))

    for folder, _, names in os.walk(root, onerror=closed):
        for name in names:
            path = pathlib.Path(folder, name)
            found[path.relative_to(root).as_posix()] = path
    return dict(sorted(found.items())), rejects


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _printable(key: str) -> str:
    """Writes bytes of a file name that are not UTF-8 as escapes."""
    return key.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _assign(rows: Iterator[Row], *, table: str, texts: dict[str, list[object]]) -> Iterator[Reject]:
    """Adds the captions of a table to the images that it names, and yields the rejects."""
    for row in rows:
        if isinstance(row, Reject):
            yield row
            continue
        name, text = row
        key = os.path.normpath(pathlib.PurePath(table).parent / name)
        if key in texts:
            texts[key].append(text)
        else:
            yield Reject(_printable(name) or table, f"{table} names an image that is not there")


def _jsonl_rows(text: str, table: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            name = entry["file_name"]
            found = [entry["text"]] if "text" in entry else entry["captions"]
            if not isinstance(name, str) or not isinstance(found, list):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            rule = 'must be {"file_name": NAME, "text": CAPTION} or {..., "captions": [CAPTION, ]}'
            yield Reject(f"{table}:{number}", f"line {rule}")
            continue
        for caption in found:
            yield name, caption


def _csv_rows(text: str, table: str, path: pathlib.Path) -> Iterator[Row]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = _next(rows)
    if not isinstance(columns, list) or not set(CSV_COLUMNS) <= set(columns):
        rule = f"must begin with the header {','.join(CSV_COLUMNS)}"
        raise UsageError(str(path), rule, repr(text[:80]))
    indices = [columns.index(name) for name in CSV_COLUMNS]
    while (row := _next(rows)) is not None:
        if isinstance(row, str):
            yield Reject(f"{table}:{rows.line_num}", f"line is no CSV: {row}")
        elif len(row) == len(columns):
            yield row[indices[0]], row[indices[1]]
        elif row:
            reason = f"line must have {len(columns)} fields, has {len(row)}"
            yield Reject(f"{table}:{rows.line_num}", reason)


def _next(rows: Iterator[list[str]]) -> list[str] | str | None:
    """Returns the next row, a description of its error, or None at the end."""
    try:
        return next(rows)
    except StopIteration:
        return None
    except csv.Error as error:
        return str(error)
