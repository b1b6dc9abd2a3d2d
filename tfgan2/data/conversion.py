"""Encodes the images of a source in several processes; loads no TensorFlow."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

from tfgan2.data.images import UnreadableError, encode_png
from tfgan2.data.sources import Entry, Part, Reject

ENTRIES_PER_TASK = 32
TASKS_AHEAD = 4  # Tasks per worker; limits the results that wait in memory.


@dataclasses.dataclass(frozen=True)
class Converted:
    """An item with its encoded image.

    Attributes:
      split: `train` or `test`.
      key: name of the image within its source.
      image: PNG bytes.
      captions: at least one caption.
      label: class number, or -1.
      digest: SHA-256 of the pixels.
    """

    split: str
    key: str
    image: bytes
    captions: tuple[str, ...]
    label: int
    digest: bytes


Outcome: TypeAlias = Converted | Reject
Task: TypeAlias = tuple[int, list[Entry]]


def convert(
    parts: Iterable[Part], *, workers: int
) -> Generator[tuple[int, list[Outcome]], None, None]:
    """Draws and encodes the items of parts; keeps their order for any number of workers.

    Args:
      parts: parts of a source.
      workers: number of processes; 1: this process. Closing the generator ends them early.

    Yields:
      The number of a part, and some of its results; a part without entries has one empty result.
    """
    tasks = itertools.chain.from_iterable(map(_tasks, itertools.count(), parts))
    first = list(itertools.islice(tasks, 2))
    tasks = itertools.chain(first, tasks)
    if workers == 1 or len(first) < 2:
        yield from map(_convert, tasks)
        return
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _begin_worker
    ) as pool:
        waiting: collections.deque[Any] = collections.deque()
        for task in tasks:
            waiting.append(pool.submit(_convert, task))
            if len(waiting) >= TASKS_AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _tasks(number: int, part: Part) -> Iterator[Task]:
    entries = iter(part())
    task = list(itertools.islice(entries, ENTRIES_PER_TASK))
    yield number, task
    while task := list(itertools.islice(entries, ENTRIES_PER_TASK)):
        yield number, task


def _convert(task: Task) -> tuple[int, list[Outcome]]:
    number, entries = task
    return number, [_convert_one(entry) for entry in entries]


def _convert_one(entry: Entry) -> Outcome:
    if isinstance(entry, Reject):
        return entry
    split, item = entry
    try:
        image = np.ascontiguousarray(item.draw())
    except UnreadableError as fault:
        return Reject(item.key, str(fault))
    digest = hashlib.sha256(image.tobytes()).digest()
    return Converted(split, item.key, encode_png(image), item.captions, item.label, digest)


def _begin_worker() -> None:
    """Ignores SIGINT, which the parent handles, and exits when the parent ends or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def leave_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
