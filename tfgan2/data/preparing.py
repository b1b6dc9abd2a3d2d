"""Writes a source's collection as a data set on disk, completely or not at all."""

import collections
import contextlib
import dataclasses
import fcntl
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping

import tensorflow as tf

from tfgan2.data import conversion, records
from tfgan2.data.sources import Collection, Reject
from tfgan2.program import UsageError, progress, warn

SHOWN_REJECTS = 3

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
      output_dir: absent, empty, or an earlier data set, which is replaced.
      count_words: maps captions to the count of each word.
      processes: number of processes that draw and encode.
      max_rejects: highest number of rejects without failure; None: any number.
      dry_run: do all work, but keep no files.

    Raises:
      UsageError: `output_dir` holds other files, cannot be written or is being written by another
        process; no train image is left; or too many items were rejected.
    """
    target = pathlib.Path(output_dir)
    _check_replaceable(target)
    try:
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
    if target.is_dir() and any(target.iterdir()) and not (target / records.MANIFEST_NAME).is_file():
        raise UsageError("--output_dir", "must be empty, absent or an earlier data set", target)


@contextlib.contextmanager
def _scratch(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a locked folder beside the target; removes files that a killed process left there."""
    partial = target.absolute().with_name(f"{target.absolute().name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            rule = "must not be in another prepare's hands"
            raise UsageError("--output_dir", rule, target) from error
        for leftover in partial.iterdir():
            leftover.unlink()
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    finally:
        os.close(handle)


def _replace(new: pathlib.Path, target: pathlib.Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    retired = target.absolute().with_name(f"{target.absolute().name}.retired-{os.getpid()}")
    target.rename(retired)
    new.rename(target)
    shutil.rmtree(retired)


def reasons(rejects: Iterable[Reject]) -> list[tuple[str, int]]:
    """Returns the number of rejects by reason, the most frequent first."""
    return collections.Counter(reject.reason for reject in rejects).most_common()
