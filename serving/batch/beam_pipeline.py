"""The pipeline: shards -> blocks -> RunInference, which also writes pictures -> manifest."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import RunInference

from serving.batch import staging
from serving.batch.handlers import ExportHandler, ServerHandler
from serving.batch.job import OutputShard
from serving.batch.job_folder import JobFolder
from serving.batch.rows import Block, Row, WrittenBlock, seed_of
from serving.program import UsageError

METRICS = "generate"
# In place of the number of a shard.
END = -1


@dataclasses.dataclass(frozen=True)
class WorkerData:
    """The data that every worker needs.

    Attributes:
      job_folder: the folder of the job.
      offsets: byte offsets in the staged captions.
      max_errors: rows that may fail; None for any number.
    """

    job_folder: JobFolder
    offsets: tuple[int, ...]
    max_errors: int | None


def build(
    pipeline: beam.Pipeline,
    data: WorkerData,
    *,
    shards: Iterable[OutputShard],
    handler: ExportHandler | ServerHandler,
) -> None:
    """Builds the pipeline.

    Args:
      pipeline: an empty pipeline.
      data: data for the workers.
      shards: the unfinished shards.
      handler: draws and writes blocks.
    """
    made = (
        pipeline
        | "Shards" >> beam.Create(list(shards), reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "Read" >> beam.FlatMap(batches_of, data, handler.concurrent_blocks)
        # The handler writes the pictures itself: they never pass through Beam's memory or coders.
        | "Draw" >> RunInference(handler)
        | "Count" >> beam.ParDo(_CountBlocks(data))
        | "Gather" >> beam.CombinePerKey(sum)
        | "Finish" >> beam.Map(_finish_shard, data)
    )
    # The manifest waits for all shards. The end is there even if no shard is unfinished.
    end = pipeline | "End" >> beam.Create([END], reshuffle=False)
    _ = (
        (made, end)
        | "All" >> beam.Flatten()
        | "One key" >> beam.Map(_with_one_key)
        | "Wait" >> beam.GroupByKey()
        | "Manifest" >> beam.Map(_finish_job, data)
    )


def batches_of(shard: OutputShard, data: WorkerData, size: int) -> Iterator[tuple[Block, ...]]:
    """Reads the blocks of a shard in batches of `size`, which are drawn at the same time."""
    blocks = blocks_of(shard, data)
    while batch := tuple(itertools.islice(blocks, size)):
        yield batch


def blocks_of(shard: OutputShard, data: WorkerData) -> Iterator[Block]:
    """Reads the blocks of a shard, one at a time."""
    job = data.job_folder.job
    rows = _rows(data, shard.begin * job.options.batch_size)
    for number in range(shard.begin, shard.end):
        yield Block(number, shard.number, tuple(next(rows) for _ in job.block_rows(number)))


def _rows(data: WorkerData, begin: int) -> Iterator[Row]:
    """Yields the rows of a job from row `begin` on."""
    job = data.job_folder.job
    copies = job.options.images_per_caption
    if not job.has_captions:
        for copy in range(begin, copies):
            yield Row(0, copy, None, seed_of(job.options.seed, b"", copy))
        return
    number, first = divmod(begin, copies)
    for entry in staging.entries(data.job_folder.captions, data.offsets, number):
        for copy in range(first, copies):
            seed = None
            if entry.caption is not None and entry.problem is None:
                seed = seed_of(job.options.seed, entry.caption, copy)
            yield Row(number, copy, entry.caption, seed, entry.problem)
        number, first = number + 1, 0


class _CountBlocks(beam.DoFn):
    """Counts written rows; finishes a shard if all its blocks come in the same bundle."""

    def __init__(self, data: WorkerData) -> None:
        self._data = data
        self._pictures = Metrics.counter(METRICS, "pictures")
        self._errors = Metrics.counter(METRICS, "errors")

    def setup(self) -> None:
        self._failed = 0

    def start_bundle(self) -> None:
        self._written: dict[int, int] = {}

    def process(self, written: WrittenBlock) -> Iterator[tuple[int, int]]:
        self._pictures.inc(written.pictures)
        self._errors.inc(written.failed)
        self._failed += written.failed
        check_errors(self._failed, self._data.max_errors)
        job_folder = self._data.job_folder
        shard = job_folder.job.shard(written.shard)
        self._written[shard.number] = self._written.get(shard.number, 0) + 1
        if self._written[shard.number] == shard.end - shard.begin:
            job_folder.finish_shard(shard)
            del self._written[shard.number]
        yield shard.number, written.pictures + written.failed


def _finish_shard(made: tuple[int, int], data: WorkerData) -> int:
    """Finishes a shard; shards that `_CountBlocks` has finished stay as they are."""
    number, _ = made
    data.job_folder.finish_shard(data.job_folder.job.shard(number))
    return number


def _with_one_key(shard: int) -> tuple[None, int]:
    return None, shard


def _finish_job(_: tuple[None, Iterable[int]], data: WorkerData) -> None:
    """Writes the manifest, after all shards are made."""
    summary = data.job_folder.finish_job(max_errors=data.max_errors)
    check_errors(summary.errors, data.max_errors)


def check_errors(errors: int, max_errors: int | None) -> None:
    """Raises UsageError if more than `max_errors` rows failed."""
    if max_errors is not None and errors > max_errors:
        rule = f"at most {max_errors} rows may fail (errors.jsonl, or .work, has them)"
        raise UsageError(f"--max_errors: {rule}, got {errors} or more")
