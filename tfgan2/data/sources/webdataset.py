"""WebDataset's tar shards and img2dataset's output: 00000.tar with a.jpg, a.txt and a.json."""

import dataclasses
import functools
import itertools
import json
import pathlib
import posixpath
import tarfile
from collections.abc import Iterator, Sequence

from plain_text import decoding
from tfgan2.data import images
from tfgan2.data.sources import (
    Collection,
    Entry,
    Part,
    Reject,
    SourceOptions,
    captioned,
    captions,
    file_counts,
    splits,
)
from tfgan2.data.sources.captioned import Captioned
from tfgan2.data.sources.folder_layouts import CAPTION_COLUMNS
from tfgan2.data.sources.tables import captions_of
from tfgan2.data.sources.tree import (
    IMAGE_SUFFIXES,
    is_of_system,
    printable,
    suffix,
    unreadable,
)
from tfgan2.data.sources.tree import read as read_tree
from tfgan2.program import UsageError

SUFFIXES = (".tar",)
COMPRESSED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MAX_TEXT_BYTES = 2**20
ENTRIES_LOOKED_AT = 1000
END_MARK = bytes(2 * tarfile.BLOCKSIZE)


def read(options: SourceOptions) -> Collection:
    """Reads the captioned images of all tar shards below the input directory.

    The files of an image have the same name up to the first dot. The caption is the .txt file, or
    else the field `caption` of the .json file (--caption_column). The shards are never unpacked,
    and no list of their images is made: a shard is a part of the collection.

    Args:
      options: `input_dir` is the root of the tree of shards.

    Returns:
      RGB, by default padded to squares; the split is that of the names or folders train and test
      of the shards, or depends on the names of the images.

    Raises:
      UsageError: there is no shard, or no shard has a captioned image.
    """
    tree = read_tree(options.folder)
    compressed = [key for key in tree.files if key.lower().endswith(COMPRESSED_SUFFIXES)]
    reason = "shard must be a .tar without compression"
    rejects = [*tree.rejects, *(Reject(printable(key), reason) for key in compressed)]
    shards = [key for key in tree.files if suffix(key) in SUFFIXES]
    if not shards:
        example = f" ({rejects[0].key}: {rejects[0].reason})" if rejects else ""
        raise UsageError("--input_dir", f"must hold .tar shards{example}", options.input_dir)
    # Class every file of the folder.
    files = file_counts.classify(tree, read=shards, rejected=compressed)
    notes = [f"read: {len(shards)} tar shards", *file_counts.skipped(files)]
    given_split = {splits.of_shard(key) for key in shards} == {"train", "test"}
    if given_split:
        notes.append("split: that of the names train and test")
    parts = [
        functools.partial(_entries, tree.files[key], key, options, given_split=given_split)
        for key in shards
    ]
    _look_at_first(parts)
    return Collection(
        splits={},
        licence=captioned.LICENCE,
        rejects=tuple(Reject(printable(it.key), printable(it.reason)) for it in rejects),
        notes=tuple(notes),
        files=files,
        parts=parts,
    )


def _look_at_first(parts: Sequence[Part]) -> None:
    """Warns of the form of the first captions; checks that there are some.

    Raises:
      UsageError: there is no captioned image.
    """
    found: list[tuple[str, ...]] = []
    example, count = "", 0
    for entry in itertools.chain.from_iterable(part() for part in parts):
        if isinstance(entry, Reject):
            example = example or f" ({entry.key}: {entry.reason})"
            count += 1
        else:
            found.append(entry[1].captions)
        if found and len(found) + count >= ENTRIES_LOOKED_AT:
            break
    if not found:
        rule = f"must hold shards with captioned images{example}"
        raise UsageError("--input_dir", rule, f"{count} rejects and no other")
    captioned.warn_of_a_form(found)


def _entries(
    path: pathlib.Path, key: str, options: SourceOptions, *, given_split: bool
) -> Iterator[Entry]:
    return captioned.entries(_shard(path, key, options), options, given_split=given_split)


def _shard(path: pathlib.Path, key: str, options: SourceOptions) -> Iterator[Captioned | Reject]:
    """Yields the images of a shard in order; a reject if the shard is damaged."""
    framing = options.framing(resize="pad")
    for sample in _samples(path, key):
        if isinstance(sample, Reject):
            yield sample
        elif sample.image is None:
            yield Reject(printable(f"{key}/{sample.name}"), "sample has no image")
        else:
            content = functools.partial(read_range, path, *sample.image)
            yield Captioned(
                f"{key}/{sample.name}",
                functools.partial(images.load_from, content, framing=framing),
                _texts(sample, options),
                split=splits.of_shard(key),
            )


def read_range(path: pathlib.Path, offset: int, size: int) -> bytes:
    """Reads a part of a file.

    Args:
      path: the file.
      offset: first byte.
      size: number of bytes.

    Raises:
      OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


@dataclasses.dataclass
class _Sample:
    """Files of a shard with the same name up to the first dot.

    Attributes:
      name: the name.
      image: offset and size of the image in the shard, in bytes; None: no image yet.
      texts: content of the .txt and of the .json file by suffix.
    """

    name: str
    image: tuple[int, int] | None = None
    texts: dict[str, bytes] = dataclasses.field(default_factory=dict)


def _samples(path: pathlib.Path, key: str) -> Iterator[_Sample | Reject]:
    """Yields the samples of a shard, whose files stand one after the other."""
    sample: _Sample | None = None
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                # Forget the headers that were read, or a large shard would fill the memory.
                shard.members = []  # type: ignore[attr-defined]
                if member.isdir() or is_of_system(member.name):
                    continue
                if not member.isreg():
                    yield Reject(printable(f"{key}/{member.name}"), "is a link or a special file")
                    continue
                folder, file = posixpath.split(member.name)
                stem, _, extension = file.partition(".")
                name = posixpath.join(folder, stem)
                if sample is None or sample.name != name:
                    if sample is not None:
                        yield sample
                    sample = _Sample(name)
                end = suffix(f".{extension}") or f".{extension.lower()}"
                if end in IMAGE_SUFFIXES and sample.image is None:
                    sample.image = (member.offset_data, member.size)
                elif end in IMAGE_SUFFIXES:
                    yield Reject(printable(f"{key}/{member.name}"), "sample has another image")
                elif end in (".txt", ".json") and member.size > MAX_TEXT_BYTES:
                    reason = f"text has more than {MAX_TEXT_BYTES} bytes"
                    yield Reject(printable(f"{key}/{member.name}"), reason)
                elif end in (".txt", ".json"):
                    content = shard.extractfile(member)
                    sample.texts[end] = b"" if content is None else content.read()
        # tarfile does not miss the end mark of a shard that is cut between two files.
        if read_range(path, path.stat().st_size - len(END_MARK), len(END_MARK)) != END_MARK:
            yield Reject(printable(key), "shard is damaged: its end is missing")
    except OSError as error:
        yield Reject(printable(key), unreadable(error))
    except (tarfile.TarError, EOFError, ValueError) as error:
        yield Reject(printable(key), f"shard is damaged: {error}")
    if sample is not None:
        yield sample


def _texts(sample: _Sample, options: SourceOptions) -> tuple[object, ...]:
    """Returns the captions: of the .json file if a column is given, else first of the .txt file."""
    column, encoding = options.caption_column, options.encoding
    if column is None and ".txt" in sample.texts:
        return tuple(captions.lines(sample.texts[".txt"], encoding))
    try:
        entry = json.loads(decoding.decode_leniently(sample.texts.get(".json", b"{}"), encoding))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(entry, dict):
        return ()
    columns = CAPTION_COLUMNS if column is None else (column,)
    return next((captions_of(entry[name]) for name in columns if name in entry), ())
