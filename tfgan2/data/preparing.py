"""Writes a source's collection as a data set on disk, completely or not at all."""

import collections
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TextIO, TypeAlias

import tensorflow as tf

from tfgan2.data import overlap, records, sharding
from tfgan2.data.blocks import SPLITS, Block, BlockFolder, CountWords
from tfgan2.data.engines import Engine, Pool, Staging
from tfgan2.data.sources import Collection, Entry, Item, Part, Reject, file_counts, listed
from tfgan2.locks import locked
from tfgan2.program import UsageError, warn

SHOWN_REJECTS = 3
# Folder of the unfinished files in the data set's folder, on the same file system.
SCRATCH_NAME = ".tfgan2-prepare"
LOCK_NAME = "lock"
RETIRED_NAME = "retired.json"
BLOCKS_NAME = "blocks"
ITEMS_PER_PART = 1024
ONE_PROCESS = Pool(1)

# Receives the manifest, and the captions of the test split by block.
Review: TypeAlias = Callable[[records.Manifest, Iterator[Sequence[str]]], None]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Result of writing a collection.

    Attributes:
      manifest: manifest of the data set.
      reasons: number of rejects by reason, the most frequent first.
    """

    manifest: records.Manifest
    reasons: Mapping[str, int]


def prepare(
    collection: Collection,
    *,
    source: str,
    image_size: int,
    output_dir: str | os.PathLike,
    count_words: CountWords,
    engine: Engine = ONE_PROCESS,
    max_rejects: int | None = None,
    dry_run: bool = False,
    review: Review | None = None,
) -> Prepared:
    """Writes a collection as a data set; the bytes are the same for any engine.

    Args:
      collection: the collection to write.
      source: name of the source, for the manifest.
      image_size: side of its images in pixels.
      output_dir: absent, empty, or an earlier data set, which is replaced; other files stay.
      count_words: maps captions to the count of each word.
      engine: processes that draw and encode.
      max_rejects: highest number of rejects without failure; None: any number.
      dry_run: do all work, but keep no files.
      review: looks at the test captions; None: nothing does.

    Raises:
      UsageError: `output_dir` holds other files, cannot be written or is being written by another
        process; no train image is left; or too many items were rejected.
    """
    target = pathlib.Path(output_dir)
    try:
        _check_replaceable(target)
        with _scratch(target) as folder:
            prepared = _write(
                collection,
                folder,
                source=source,
                image_size=image_size,
                count_words=count_words,
                engine=engine,
                max_rejects=max_rejects,
                review=review,
            )
            if not dry_run:
                _replace(folder, target)
    except (OSError, tf.errors.OpError) as error:
        raise UsageError("--output_dir", "must have room and be writable", error) from error
    shared = [f"{count} {kind}" for kind, count in prepared.manifest.overlap.items() if count]
    if shared:
        warn(f"{' and '.join(shared)} of the test split stand in the train split too")
    return prepared


def sample(collection: Collection, *, limit: int) -> Collection:
    """Samples at most `limit` items, evenly chosen, from each split in proportion to its size.

    All items of the collection are in memory.
    """
    collection = listed(collection)
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


@dataclasses.dataclass
class _Counts:
    """Counts of all blocks.

    Attributes:
      planners: shards by split.
      captions: number of captions by split.
      words: count of each word in the train captions.
      reasons: number of rejects by reason.
      examples: the first rejects of different reasons.
      rejected_keys: keys of rejects of a source whose files are counted.
    """

    planners: dict[str, sharding.ShardPlanner]
    captions: dict[str, int]
    words: collections.Counter[str]
    reasons: collections.Counter[str]
    examples: dict[str, Reject]
    rejected_keys: set[str]

    @property
    def rejects(self) -> int:
        """Number of rejects."""
        return self.reasons.total()

    def records(self, split: str) -> int:
        """Number of records of a split."""
        return sum(plan.records for plan in self.planners[split].plans)

    def add_rejects(self, rejects: Iterable[Reject], file: TextIO) -> None:
        """Counts rejects, and writes them to the file of rejects."""
        for reject in rejects:
            file.write(json.dumps(dataclasses.asdict(reject), ensure_ascii=False) + "\n")
            self.reasons[reject.reason] += 1
            self.examples.setdefault(reject.reason, reject)

    def add(self, block: Block) -> None:
        """Adds the counts of the next block, and plans its records."""
        self.words.update(block.words)
        for split, planner in self.planners.items():
            planner.add(block)
            self.captions[split] += block.captions[split]

    def shown(self) -> str:
        """The first rejects of different reasons, in brackets."""
        shown = itertools.islice(self.examples.values(), SHOWN_REJECTS)
        text = "; ".join(f"{reject.key}: {reject.reason}" for reject in shown)
        return f" ({text})" if text else ""


def _write(
    collection: Collection,
    folder: pathlib.Path,
    *,
    source: str,
    image_size: int,
    count_words: CountWords,
    engine: Engine,
    max_rejects: int | None,
    review: Review | None,
) -> Prepared:
    # Convert the parts of the source to blocks, and count what the blocks have.
    folder = folder.absolute()  # Workers may have another current folder.
    blocks = BlockFolder(str(folder / BLOCKS_NAME))
    (folder / BLOCKS_NAME).mkdir()
    total = None if collection.parts else sum(map(len, collection.splits.values()))
    block_count = engine.stage(_parts(collection), Staging(blocks, count_words), total=total)
    counts = _count(collection, blocks, block_count, rejects=folder / records.REJECTS_NAME)
    if not counts.records("train"):
        rule = f"must hold images with captions to train on{counts.shown()}"
        raise UsageError("--input_dir", rule, f"{counts.rejects} rejects and no other")
    if max_rejects is not None and counts.rejects > max_rejects:
        rule = f"must be at least the {counts.rejects} rejects{counts.shown()}"
        raise UsageError("--max_rejects", rule, max_rejects)
    # Write the shards, and compare the splits.
    shards = sharding.tasks(counts.planners.values(), blocks=blocks, folder=str(folder))
    test_digests = max(counts.records("test"), counts.captions["test"])
    comparisons = overlap.tasks(blocks, block_count=block_count, test_digests=test_digests)
    engine.run([*shards, *comparisons], folder=blocks.folder)
    # Write the manifest.
    words = sorted(counts.words.items(), key=lambda item: (-item[1], item[0]))
    shared = [comparison.result() for comparison in comparisons]
    manifest = records.Manifest(
        format=records.FORMAT_VERSION,
        source=source,
        licence=collection.licence,
        image_size=image_size,
        channels=collection.channels,
        label_names=collection.label_names,
        splits={
            split: tuple(shard.result() for shard in shards if shard.plan.split == split)
            for split in SPLITS
        },
        captions=counts.captions,
        vocabulary=dict(words),
        overlap={kind: sum(it[kind] for it in shared) for kind in overlap.KINDS},
        rejects=counts.rejects,
        files=file_counts.count(collection, counts.rejected_keys),
    )
    records.write_manifest(manifest, folder)
    if review is not None:
        review(manifest, (blocks.read(number).test_captions for number in range(block_count)))
    return Prepared(manifest, dict(counts.reasons.most_common()))


def _parts(collection: Collection) -> Iterator[Part]:
    """Divides the items of a collection into parts."""
    for split in SPLITS:
        items = collection.splits.get(split, ())
        for at in range(0, len(items), ITEMS_PER_PART):
            yield functools.partial(_entries, split, items[at : at + ITEMS_PER_PART])
    yield from collection.parts


def _entries(split: str, items: Sequence[Item]) -> Iterator[Entry]:
    return ((split, item) for item in items)


def _count(
    collection: Collection, blocks: BlockFolder, block_count: int, *, rejects: pathlib.Path
) -> _Counts:
    """Sums the counts of the blocks, plans the shards, and writes the file of rejects."""
    counts = _Counts(
        planners={split: sharding.ShardPlanner(split) for split in SPLITS},
        captions=dict.fromkeys(SPLITS, 0),
        words=collections.Counter(),
        reasons=collections.Counter(),
        examples={},
        rejected_keys=set(),
    )
    with rejects.open("w", encoding="utf-8") as file:
        counts.add_rejects(collection.rejects, file)
        for number in range(block_count):
            block = blocks.read(number)
            counts.add_rejects(block.rejects, file)
            counts.add(block)
            if collection.files:
                counts.rejected_keys.update(reject.key for reject in block.rejects)
    return counts


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
            shutil.rmtree(folder / BLOCKS_NAME, ignore_errors=True)
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
