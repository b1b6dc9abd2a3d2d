"""Progress of a local job, measured by the files that exist."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from tqdm import tqdm

from serving.batch.job_folder import Outputs

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LINES = 10.0


def done(outputs: Outputs) -> int:
    """Counts the drawn rows: rows of finished shards and of written blocks."""
    job = outputs.job
    finished = outputs.finished_shards()
    rows = sum(job.shard_rows(job.shard(number)) for number in finished)
    blocks = os.listdir(outputs.blocks) if os.path.isdir(outputs.blocks) else []
    for name in blocks:
        number, _, kind = name.partition(".")
        if kind == "lines":
            rows += len(job.block_rows(int(number)))
    return min(rows, job.rows)


@contextlib.contextmanager
def shown(outputs: Outputs) -> Iterator[None]:
    """Shows a progress bar with rate and remaining time on stderr inside the `with` block."""
    begun = done(outputs)
    terminal = sys.stderr.isatty()
    bar = tqdm(
        total=outputs.job.rows,
        initial=begun,
        desc="generate",
        unit=" pictures",
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        mininterval=0.1 if terminal else SECONDS_BETWEEN_LINES,
    )
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            bar.update(max(0, done(outputs) - bar.n))

    watcher = threading.Thread(target=look, name="progress", daemon=True)
    watcher.start()
    try:
        yield
        ended.set()
        watcher.join()
        bar.update(outputs.job.rows - bar.n)
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
