"""The folder of a job: pictures, manifest, errors, and the work folder of a running job."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence

from serving.batch import messages, storage, tfrecords
from serving.batch.job import Job, OutputShard
from serving.batch.rows import Block, Row, RowResult, WrittenBlock
from serving.batch.staging import json_line, text_of

JOB, MANIFEST, ERRORS, SUCCESS = "job.json", "manifest.jsonl", "errors.jsonl", "_SUCCESS"
WORK, PARTIAL = ".work", "partial"
ERROR_CAPTION_CHARACTERS = 200
# First byte of a line in the work folder: the line goes to the manifest, or to the errors.
_PICTURE, _ERROR = b"+", b"-"


@dataclasses.dataclass(frozen=True)
class Summary:
    """The result of a job, in rows."""

    pictures: int
    errors: int
    with_unknown_words: int


@dataclasses.dataclass(frozen=True)
class JobFolder:
    """The folder of a job.

    Attributes:
      folder: path of the folder.
      job: definition of the job.
    """

    folder: str
    job: Job

    @property
    def work(self) -> str:
        """The work folder, which exists only until the job is done."""
        return storage.join(self.folder, WORK)

    @property
    def captions(self) -> str:
        """Path of the staged captions."""
        return storage.join(self.work, "captions.jsonl")

    @property
    def blocks(self) -> str:
        """Folder of the blocks of unfinished shards."""
        return storage.join(self.work, "blocks")

    @property
    def finished(self) -> str:
        """Folder of the lines of finished shards."""
        return storage.join(self.work, "finished")

    def path(self, name: str) -> str:
        """The path of a file in the folder."""
        if storage.is_local(self.folder):
            return f"{self.folder}/{name}"
        return storage.join(self.folder, *name.split("/"))

    def begin(self) -> None:
        """Writes job.json."""
        self._write(self.path(JOB), self.job.as_json())

    def write_block(self, block: Block, results: Sequence[RowResult]) -> WrittenBlock:
        """Writes the pictures of a block with a result per row, then its lines."""
        shard = self.job.shard(block.shard)
        lines, records, offset, failed = [], [], 0, 0
        for row, result in zip(block.rows, results, strict=True):
            if result.png is None:
                lines.append(_ERROR + json_line(_error_fields(row, result)))
                failed += 1
                continue
            name = self._shard_name(shard)
            if self.job.options.format == "png":
                name = f"{name}/{row.id}.png"
                self._write(self.path(name), result.png)
            fields = _picture_fields(row, result, file=name, offset=offset)
            lines.append(_PICTURE + json_line(fields))
            if self.job.options.format == "tfrecord":
                records.append(tfrecords.frame(_example(row, result)))
                offset += len(records[-1])
        if self.job.options.format == "tfrecord":
            self._write(self._block(block.number, "tfrecord"), b"".join(records))
        self._write(self._block(block.number, "lines"), b"".join(lines))
        return WrittenBlock(shard.number, len(lines) - failed, failed)

    def finish_shard(self, shard: OutputShard) -> None:
        """Joins the blocks of a shard, which must all exist; a finished shard stays as it is."""
        marker = self._finished_name(shard)
        if storage.exists(marker):
            return
        # The stack closes in reverse order: the records get their final name before the marker.
        with contextlib.ExitStack() as stack:
            lines = stack.enter_context(storage.writing(marker, partial_folder=self._partial))
            records = None
            if self.job.options.format == "tfrecord":
                path = self.path(self._shard_name(shard))
                records = stack.enter_context(storage.writing(path, partial_folder=self._partial))
            # Append all blocks; offsets of the records move by the bytes written before.
            count = begin = 0
            for block in range(shard.begin, shard.end):
                for line in storage.read(self._block(block, "lines")).splitlines(keepends=True):
                    lines.write(_shifted(line, begin))
                    count += 1
                if records:
                    content = storage.read(self._block(block, "tfrecord"))
                    records.write(content)
                    begin += len(content)
            if count != self.job.shard_rows(shard):
                raise AssertionError(f"shard {shard.number} has {count} rows")
        # The shard is complete: remove its blocks.
        for block in range(shard.begin, shard.end):
            for kind in ("lines", "tfrecord"):
                storage.remove(self._block(block, kind))

    def finished_shards(self) -> set[int]:
        """The numbers of the finished shards."""
        return {int(name.partition(".")[0]) for name in storage.names(self.finished)}

    def finish_job(self, *, max_errors: int | None) -> Summary:
        """Writes the manifest and the errors; marks the job as done unless too many rows failed.

        Args:
          max_errors: rows that may fail; None for any number.
        """
        pictures = errors = unknown = 0
        with contextlib.ExitStack() as stack:
            manifest, failures = (
                stack.enter_context(storage.writing(self.path(name), partial_folder=self._partial))
                for name in (MANIFEST, ERRORS)
            )
            for line in self._lines():
                if line.startswith(_PICTURE):
                    manifest.write(line[1:])
                    pictures += 1
                    unknown += bool(json.loads(line[1:]).get("unknown_words"))
                else:
                    failures.write(line[1:])
                    errors += 1
        summary = Summary(pictures, errors, unknown)
        if max_errors is None or errors <= max_errors:
            self._write(self.path(SUCCESS), json_line(dataclasses.asdict(summary)))
        return summary

    def clear(self) -> None:
        """Resets the job; its pictures stay, and a new run overwrites them with the same ones."""
        for name in (SUCCESS, MANIFEST, ERRORS):
            storage.remove(self.path(name))
        for folder in (self.blocks, self.finished, self._partial):
            storage.remove(folder)

    @property
    def _partial(self) -> str:
        return storage.join(self.work, PARTIAL)

    def _write(self, path: str, content: bytes) -> None:
        storage.write(path, content, partial_folder=self._partial)

    def _lines(self) -> Iterator[bytes]:
        for number in range(self.job.shard_count):
            with storage.opened(self._finished_name(self.job.shard(number))) as file:
                yield from file

    def _shard_name(self, shard: OutputShard) -> str:
        name = f"shard-{shard.number:05d}-of-{self.job.shard_count:05d}"
        return f"{name}.tfrecord" if self.job.options.format == "tfrecord" else name

    def _block(self, number: int, kind: str) -> str:
        return storage.join(self.blocks, f"{number:09d}.{kind}")

    def _finished_name(self, shard: OutputShard) -> str:
        return storage.join(self.finished, f"{shard.number:05d}.lines")


def _picture_fields(row: Row, result: RowResult, *, file: str, offset: int) -> dict[str, object]:
    fields: dict[str, object] = {"id": row.id}
    if row.caption is not None:
        fields["caption"] = text_of(row.caption)
    fields |= {"seed": row.seed, "file": file, "offset": offset}
    if result.unknown_words is not None:
        fields["unknown_words"] = result.unknown_words
    if result.text is not None:
        fields["text"] = result.text
    return fields


def _error_fields(row: Row, result: RowResult) -> dict[str, object]:
    fields: dict[str, object] = {"id": row.id, "caption": None, "seed": row.seed}
    if row.caption is not None:
        fields["caption"] = text_of(row.caption)[:ERROR_CAPTION_CHARACTERS]
    return fields | {"error": result.problem}


def _example(row: Row, result: RowResult) -> bytes:
    """The tf.train.Example of a picture: the features of a data set and of the manifest."""
    example = messages.Example()
    feature = example.features.feature
    feature["id"].bytes_list.value.append(row.id.encode())
    feature["image"].bytes_list.value.append(result.png)
    feature["seed"].int64_list.value.append(row.seed)
    if row.caption is not None:
        feature["caption"].bytes_list.value.append(row.caption)
    if result.unknown_words is not None:
        feature["unknown_words"].int64_list.value.append(result.unknown_words)
    if result.text is not None:
        feature["text"].bytes_list.value.append(result.text.encode())
    return example.SerializeToString(deterministic=True)


def _shifted(line: bytes, begin: int) -> bytes:
    """The line of a picture with `begin` bytes added to its offset; error lines stay."""
    if not begin or line.startswith(_ERROR):
        return line
    fields = json.loads(line[1:])
    return _PICTURE + json_line(fields | {"offset": fields["offset"] + begin})
