"""Writes a source's collection as a data set on disk, completely or not at all."""

import collections
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping

import tensorflow as tf

from tfgan2.data import conversion, records
from tfgan2.data.sources import Collection, Reject, file_counts
from tfgan2.locks import locked
from tfgan2.program import UsageError, progress, warn

SHOWN_REJECTS = 3
# Folder of the unfinished files in the data set's folder, on the same file system.
SCRATCH_NAME = ".tfgan2-prepare"
LOCK_NAME = "lock"
RETIRED_NAME = "retired.json"

CountWords = Callable[[list[str]], Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Result of writing a collection.

    Attributes:
      manifest: manifest of the data set.
      rejects: rejected items, with reasons.
    """

    manifest: records.Manifest
    rejects: tuple[Reject, ...]


def prepare(
    collection: Collection,
    *,
    source: str,
    image_size: int,
    output_dir: str | os.PathLike,
    count_words: CountWords,
    processes: int = 1,
    max_rejects: int | None = None,
    dry_run: bool = False,
) -> Prepared:
    """Writes a collection as a data set; the bytes are the same for any number of processes.

    Args:
      collection: the collection to write.
      source: name of the source, for the manifest.
      image_size: side of its images in pixels.
      output_dir: absent, empty, or an earlier data set, which is replaced; other files stay.
      count_words: maps captions to the count of each word.
      processes: number of processes that draw and encode.
      max_rejects: highest number of rejects without failure; None: any number.
      dry_run: do all work, but keep no files.

    Raises:
      UsageError: `output_dir` holds other files, cannot be written or is being written by another
        process; no train image is left; or too many items were rejected.
    """
    target = pathlib.Path(output_dir)
    try:
        _check_replaceable(target)
        with _scratch(target) as folder:
            prepared = _write(
                collection, folder, source, image_size, processes, count_words=count_words
            )
            count = len(prepared.rejects)
            if max_rejects is not None and count > max_rejects:
                rule = f"must be at least the {count} rejects{_examples(prepared.rejects)}"
                raise UsageError("--max_rejects", rule, max_rejects)
            if not dry_run:
                _replace(folder, target)
    except (OSError, tf.errors.OpError) as error:
        raise UsageError("--output_dir", "must have room and be writable", error) from error
    overlap = [f"{count} {kind}" for kind, count in prepared.manifest.overlap.items() if count]
    if overlap:
        warn(f"{' and '.join(overlap)} of the test split stand in the train split too")
    return prepared


def sample(collection: Collection, *, limit: int) -> Collection:
    """Samples at most `limit` items, evenly chosen, from each split in proportion to its size."""
    total = sum(map(len, collection.splits.values()))
    if total <= limit:
        return collection
    counts = {split: len(items) * limit // total for split, items in collection.splits.items()}
    counts["train"] += limit - sum(counts.values())
    return dataclasses.replace(
        collection,
        splits={
            split: [items[row * len(items) // counts[split]] for row in range(counts[split])]
            for split, items in collection.splits.items()
        },
    )


def _write(
    collection: Collection,
    folder: pathlib.Path,
    source: str,
    image_size: int,
    processes: int,
    *,
    count_words: CountWords,
) -> Prepared:
    rejects = list(collection.rejects)
    splits: dict[str, tuple[records.Shard, ...]] = {}
    texts: dict[str, list[str]] = {}
    digests: dict[str, list[bytes]] = {}
    # Write the shards, and collect captions and digests of the pixels.
    for split, items in collection.splits.items():
        texts[split], digests[split] = [], []
        writer = records.ShardWriter(folder, split)
        with contextlib.closing(conversion.convert(items, workers=processes)) as converted:
            for result in progress(converted, total=len(items), description=split, unit="images"):
                if isinstance(result, Reject):
                    rejects.append(result)
                    continue
                writer.write(result)
                texts[split] += result.captions
                digests[split].append(result.digest)
        splits[split] = writer.close()
    # Write the manifest and the rejects.
    manifest = records.Manifest(
        format=records.FORMAT_VERSION,
        source=source,
        licence=collection.licence,
        image_size=image_size,
        channels=collection.channels,
        label_names=collection.label_names,
        splits=splits,
        captions={split: len(texts[split]) for split in splits},
        vocabulary=dict(count_words(texts["train"])),
        overlap={
            "images": _shared(digests["train"], digests["test"]),
            "captions": _shared(texts["train"], set(texts["test"])),
        },
        rejects=len(rejects),
        files=file_counts.count(collection, rejects[len(collection.rejects) :]),
    )
    if not digests["train"]:
        rule = f"must hold images with captions to train on{_examples(rejects)}"
        raise UsageError("--input_dir", rule, f"{len(rejects)} rejects and no other")
    lines = [json.dumps(dataclasses.asdict(reject), ensure_ascii=False) for reject in rejects]
    (folder / records.REJECTS_NAME).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    records.write_manifest(manifest, folder)
    return Prepared(manifest, tuple(rejects))


def _shared(train: Iterable[object], test: Iterable[object]) -> int:
    known = set(train)
    return sum(item in known for item in test)


def _examples(rejects: Iterable[Reject]) -> str:
    """Returns the first rejects of different reasons, in brackets."""
    first: dict[str, str] = {}
    for reject in rejects:
        first.setdefault(reject.reason, reject.key)
    shown = [f"{key}: {reason}" for reason, key in itertools.islice(first.items(), SHOWN_REJECTS)]
    return f" ({'; '.join(shown)})" if shown else ""


def _check_replaceable(target: pathlib.Path) -> None:
    if target.exists() and not target.is_dir():
        raise UsageError("--output_dir", "must be a directory or absent", target)
    if (target / records.MANIFEST_NAME).is_file():
        records.file_names(target / records.MANIFEST_NAME)
        return
    names = {path.name for path in target.iterdir()} if target.is_dir() else set()
    if names - {SCRATCH_NAME} and not any(_unfinished_manifests(target)):
        raise UsageError("--output_dir", "must be empty, absent or an earlier data set", target)


def _unfinished_manifests(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """The manifests that a process left that was killed while it replaced a data set."""
    for name in (records.MANIFEST_NAME, RETIRED_NAME):
        if (target / SCRATCH_NAME / name).is_file():
            yield target / SCRATCH_NAME / name


@contextlib.contextmanager
def _scratch(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a locked folder in the target; removes files that a killed process left."""
    is_new = not target.exists()
    folder = target / SCRATCH_NAME
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK_NAME, flag="--output_dir", place=target):
        try:
            if not (target / records.MANIFEST_NAME).is_file():
                for manifest in _unfinished_manifests(target):
                    _remove(target, records.file_names(manifest))
            _remove(folder, {path.name for path in folder.iterdir()} - {LOCK_NAME})
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if is_new:
                with contextlib.suppress(OSError):  # The data set is complete.
                    target.rmdir()


def _replace(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Moves a data set to the target, and removes the files of an earlier data set there."""
    manifest = target / records.MANIFEST_NAME
    earlier = records.file_names(manifest) if manifest.is_file() else set()
    names = records.file_names(folder / records.MANIFEST_NAME)
    for name in sorted(names - earlier):
        if os.path.lexists(target / name):
            rule = "must not hold another file with a name of the data set"
            raise UsageError("--output_dir", rule, target / name)
    # A folder without a manifest is no data set: the manifest goes first and comes last.
    if earlier:
        manifest.rename(folder / RETIRED_NAME)
        _remove(target, earlier)
    for name in (*sorted(names - {records.MANIFEST_NAME}), records.MANIFEST_NAME):
        (folder / name).rename(target / name)


def _remove(folder: pathlib.Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def reasons(rejects: Iterable[Reject]) -> list[tuple[str, int]]:
    """Returns the number of rejects by reason, the most frequent first."""
    return collections.Counter(reject.reason for reject in rejects).most_common()
