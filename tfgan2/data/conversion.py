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
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from tfgan2.data.images import UnreadableError, encode_png
from tfgan2.data.sources import Item, Reject

ITEMS_PER_TASK = 32
TASKS_AHEAD = 4  # Tasks per worker; limits the results that wait in memory.


@dataclasses.dataclass(frozen=True)
class Converted:
    """An item with its encoded image.

    Attributes:
      key: name of the image within its source.
      image: PNG bytes.
      captions: at least one caption.
      label: class number, or -1.
      digest: SHA-256 of the pixels.
    """

    key: str
    image: bytes
    captions: tuple[str, ...]
    label: int
    digest: bytes


def convert(items: Sequence[Item], *, workers: int) -> Generator[Converted | Reject, None, None]:
    """Draws and encodes items; yields them in their order for any number of workers.

    Args:
      items: items to convert.
      workers: number of processes; 1: this process. Closing the generator ends them early.
    """
    tasks = [items[at : at + ITEMS_PER_TASK] for at in range(0, len(items), ITEMS_PER_TASK)]
    if workers == 1 or len(tasks) < 2:
        yield from itertools.chain.from_iterable(map(_convert, tasks))
        return
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _begin_worker
    ) as pool:
        waiting: collections.deque[Any] = collections.deque()
        for task in tasks:
            waiting.append(pool.submit(_convert, task))
            if len(waiting) >= TASKS_AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _convert(items: Sequence[Item]) -> list[Converted | Reject]:
    return [_convert_one(item) for item in items]


def _convert_one(item: Item) -> Converted | Reject:
    try:
        image = np.ascontiguousarray(item.draw())
    except UnreadableError as fault:
        return Reject(item.key, str(fault))
    digest = hashlib.sha256(image.tobytes()).digest()
    return Converted(item.key, encode_png(image), item.captions, item.label, digest)


def _begin_worker() -> None:
    """Ignores SIGINT, which the parent handles, and exits when the parent ends or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def leave_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
