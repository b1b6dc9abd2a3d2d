"""Progress of a local job, measured by the files that exist."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from tqdm import tqdm

from serving.batch import storage
from serving.batch.job_folder import JobFolder

POLL_SECONDS = 1.0
LINE_SECONDS = 10.0


def done(job_folder: JobFolder) -> int:
    """Counts the drawn rows: rows of finished shards and of written blocks."""
    job = job_folder.job
    finished = job_folder.finished_shards()
    rows = sum(job.shard_rows(job.shard(number)) for number in finished)
    for name in storage.names(job_folder.blocks):
        number, _, kind = name.partition(".")
        if kind == "lines":
            rows += len(job.block_rows(int(number)))
    return min(rows, job.rows)


@contextlib.contextmanager
def shown(job_folder: JobFolder) -> Iterator[None]:
    """Shows a progress bar with rate and remaining time on stderr inside the `with` block."""
    begun = done(job_folder)
    terminal = sys.stderr.isatty()
    bar = tqdm(
        total=job_folder.job.rows,
        initial=begun,
        desc="generate",
        unit=" pictures",
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        mininterval=0.1 if terminal else LINE_SECONDS,
    )
    ended = threading.Event()

    def update() -> None:
        while not ended.wait(POLL_SECONDS):
            bar.update(max(0, done(job_folder) - bar.n))

    watcher = threading.Thread(target=update, name="progress", daemon=True)
    watcher.start()
    try:
        yield
        ended.set()
        watcher.join()
        bar.update(job_folder.job.rows - bar.n)
    finally:
        ended.set()
        watcher.join()
        bar.close()


class _Lines:
    """Writes each state of a progress bar on its own line, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes a state without the carriage return before it."""
        if text.strip():
            self._stream.write(text.strip() + "\n")

    def flush(self) -> None:
        """Flushes the stream."""
        self._stream.flush()
