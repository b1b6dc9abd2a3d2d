"""Counts the files of an input folder; every file is of one class."""

import collections
from collections.abc import Container, Mapping

from tfgan2.data.sources import Collection
from tfgan2.data.sources.tree import Tree, kinds

# Images in the data set; files read for captions or images in them; files that a reject names;
# and files that are neither images nor captions.
ACCEPTED, READ, REJECTED, SKIPPED = CLASSES = ("accepted", "read", "rejected", "skipped")
_WORDS = {
    ACCEPTED: "images accepted",
    READ: "read for captions",
    REJECTED: "rejected",
    SKIPPED: "skipped",
}


def classify(
    tree: Tree,
    *,
    accepted: Container[str] = (),
    read: Container[str] = (),
    rejected: Container[str] = (),
) -> dict[str, str]:
    """Returns the class of every file by key; the first of the arguments that has a key counts.

    Args:
      tree: files of the folder.
      accepted: keys of images with captions.
      read: keys of files that were read for captions or images.
      rejected: keys of files that rejects name.
    """
    given = ((ACCEPTED, accepted), (READ, read), (REJECTED, rejected))
    return {
        **{key: next((name for name, keys in given if key in keys), SKIPPED) for key in tree.files},
        **dict.fromkeys(tree.unusable, REJECTED),
        **dict.fromkeys(tree.system, SKIPPED),
    }


def skipped(files: Mapping[str, str]) -> list[str]:
    """Returns a line that counts the skipped files by kind; no line if no file is skipped.

    Args:
      files: class of every file by key.
    """
    keys = [key for key, kind in files.items() if kind == SKIPPED]
    return [f"skipped: {kinds(keys)}"] if keys else []


def count(collection: Collection, rejected: Container[str]) -> Mapping[str, int]:
    """Counts the files of a collection by class.

    Args:
      collection: items to write; images beyond `--limit` have none, and count as skipped.
      rejected: keys of the rejects that were found while the items and parts were read.

    Returns:
      The number of files by class; empty for a source that is no folder of files.
    """
    if not collection.files:
        return {}
    items = {item.key for items in collection.splits.values() for item in items}
    counts: collections.Counter[str] = collections.Counter()
    for key, kind in collection.files.items():
        if kind in (ACCEPTED, READ) and key in rejected:
            counts[REJECTED] += 1
        elif kind == ACCEPTED and key not in items:
            counts[SKIPPED] += 1
        else:
            counts[kind] += 1
    return {kind: counts[kind] for kind in CLASSES}


def summary(counts: Mapping[str, int]) -> str:
    """Writes the counts as a line."""
    listed = ", ".join(f"{counts[kind]} {words}" for kind, words in _WORDS.items())
    return f"{sum(counts.values())} files: {listed}"
