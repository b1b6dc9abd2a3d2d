"""Progress of a local job, measured by the files that exist."""

import contextlib
import sys
import threading
import types
from collections.abc import Iterator

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
    lines = types.SimpleNamespace(write=_write_line, flush=sys.stderr.flush)
    bar = tqdm(
        total=job_folder.job.rows,
        initial=begun,
        desc="generate",
        unit=" pictures",
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else lines,
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


def _write_line(text: str) -> None:
    """Writes a state of the bar on its own line, without the carriage return before it."""
    if text.strip():
        print(text.strip(), file=sys.stderr)
