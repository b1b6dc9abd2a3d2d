"""Dynamic batching: requests with the same version, feeds and fetches run as one batch."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent import futures

import grpc
import numpy as np
from absl import logging

from serving.server.execution import merging
from serving.server.execution.batch_options import BatchOptions
from serving.server.execution.runner import OutputArrays, observe_run
from serving.server.execution.servable import RunPlan, Servable
from serving.server.monitoring import Metrics
from serving.server.status import StatusError, from_exception, invalid_argument


class _Task:
    """A request: the future of its outputs, and the pieces that the request is split into."""

    def __init__(self, plan: RunPlan, pieces: int) -> None:
        self.plan, self.queued_at = plan, time.perf_counter()
        self.future: futures.Future[OutputArrays] = futures.Future()
        self._parts: list[list[np.ndarray]] = [[]] * pieces
        self._waiting, self._begun = pieces, False
        self._error: StatusError | None = None
        self._lock = threading.Lock()

    def begin(self) -> bool:
        """Marks the request as running; False if it was cancelled."""
        with self._lock:
            self._begun = self._begun or self.future.set_running_or_notify_cancel()
            return self._begun

    def finish(self, place: int, result: list[np.ndarray] | StatusError) -> None:
        """Stores the result of a piece; the last piece completes the request."""
        with self._lock:
            if isinstance(result, StatusError):
                self._error = result
            else:
                self._parts[place] = result
            self._waiting -= 1
            if self._waiting:
                return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            values = [
                column[0] if len(column) == 1 else np.concatenate(column)
                for column in zip(*self._parts, strict=True)
            ]
            self.future.set_result(self.plan.outputs(values))


@dataclasses.dataclass(frozen=True)
class _Piece:
    task: _Task
    place: int
    feeds: merging.Feeds
    rows: int


class _Batch:
    """Pieces that run together."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self.rows = 0
        self.opened_at = time.monotonic()

    def add(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.rows += piece.rows

    def drop_cancelled(self) -> None:
        self.pieces = [piece for piece in self.pieces if not piece.task.future.cancelled()]
        self.rows = sum(piece.rows for piece in self.pieces)


class _Queue:
    """The waiting batches of one version with the same feeds and fetches."""

    def __init__(self, servable: Servable, options: BatchOptions) -> None:
        self.servable, self.options = servable, options
        self.batches: collections.deque[_Batch] = collections.deque()

    def add(self, plan: RunPlan, rows: int) -> _Task:
        """Queues a request, in pieces if it is split; raises a StatusError if the queue is full."""
        sizes = self._sizes(rows)
        # If the queue is full: drop cancelled requests and try once more.
        if sizes is None:
            for batch in self.batches:
                batch.drop_cancelled()
            self.batches = collections.deque(batch for batch in self.batches if batch.pieces)
            sizes = self._sizes(rows)
        if sizes is None:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, self._full(rows))
        # Append the pieces to the last batch, or to new batches.
        task, begin = _Task(plan, len(sizes)), 0
        for place, size in enumerate(sizes):
            end = begin + size
            feeds = plan.feeds
            if len(sizes) > 1:
                feeds = {name: array[begin:end] for name, array in feeds.items()}
            if size > self._room():
                self.batches.append(_Batch())
            self.batches[-1].add(_Piece(task, place, feeds, size))
            begin = end
        return task

    def ready_in(self) -> float:
        """Seconds until the first batch may run."""
        first = self.batches[0]
        if len(self.batches) > 1 or first.rows >= self.options.largest_batch:
            return 0.0
        return first.opened_at + self.options.timeout_seconds - time.monotonic()

    def _room(self) -> int:
        return self.options.largest_batch - self.batches[-1].rows if self.batches else -1

    def _sizes(self, rows: int) -> list[int] | None:
        """The rows of each piece; None if the queue has no room for all rows."""
        room = max(self._room(), 0)
        free = self.options.max_enqueued_batches - len(self.batches)
        if not self.options.split_large or rows <= room:
            return [rows] if rows <= self._room() or free > 0 else None
        largest = self.options.largest_batch
        if rows > room + free * largest:
            return None
        whole, rest = divmod(rows - room, largest)
        return [size for size in (room, *[largest] * whole, rest) if size]

    def _full(self, rows: int) -> str:
        enqueued, most = len(self.batches), self.options.max_enqueued_batches
        reason = "The batch scheduling queue to which this task was submitted is full"
        if not self.options.split_large:
            return (
                f"{reason}; currently {enqueued} batches enqueued "
                f"and max_enqueued_batches is {most}"
            )
        largest, room = self.options.largest_batch, max(self._room(), 0)
        return (
            f"{reason}; task size is {rows} but scheduling capacity is only "
            f"{room + (most - enqueued) * largest} (num_enqueued_batches={enqueued}, "
            f"max_enqueued_batches={most}, open_batch_size={largest - room}, "
            f"max_execution_batch_size={largest})"
        )


class BatchingRunner:
    """Merges the plans of all models into batches, and runs the batches on a thread pool."""

    def __init__(self, options: BatchOptions, metrics: Metrics) -> None:
        """Starts the threads."""
        self._options, self._metrics = options, metrics
        self.on_results: Callable[[], None] = lambda: None
        self._queues: collections.OrderedDict[tuple, _Queue] = collections.OrderedDict()
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}")
            for number in range(options.threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, servable: Servable, plan: RunPlan) -> "futures.Future[OutputArrays]":
        """See `Runner`."""
        rows, options = merging.count_rows(plan.feeds), self._options
        if rows > options.max_batch_size and not options.split_large:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {options.max_batch_size}"
            )
        key = (id(servable), frozenset(plan.feeds), plan.fetch_names)
        with self._changed:
            queue = self._queues.get(key) or _Queue(servable, options)
            last = queue.batches[-1] if queue.batches else None
            task = queue.add(plan, rows)
            self._queues[key] = queue
            # Wake a thread only for a new batch or a ready one, not for one more row.
            if queue.batches[-1] is not last or queue.ready_in() <= 0:
                self._changed.notify()
        return task.future

    def close(self) -> None:
        """See `Runner`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (ready := self._next_batch()) is not None:
            self._run(*ready)

    def _next_batch(self) -> tuple[_Queue, _Batch] | None:
        """Waits for a batch that may run, round-robin over the queues; None after `close`."""
        with self._changed:
            while True:
                waits = None
                for key, queue in self._queues.items():
                    seconds = 0.0 if self._closing else queue.ready_in()
                    if seconds <= 0:
                        batch = queue.batches.popleft()
                        if queue.batches:
                            self._queues.move_to_end(key)
                        else:
                            del self._queues[key]
                        return queue, batch
                    waits = seconds if waits is None else min(waits, seconds)
                if self._closing:
                    return None
                self._changed.wait(waits)

    def _run(self, queue: _Queue, batch: _Batch) -> None:
        pieces = [piece for piece in batch.pieces if piece.task.begin()]
        if not pieces:
            return
        now = time.perf_counter()
        for piece in pieces:
            self._metrics.queuing_latency.observe(1e6 * (now - piece.task.queued_at))
        self._finish(queue, pieces)
        self.on_results()

    def _finish(self, queue: _Queue, pieces: list[_Piece]) -> None:
        try:
            results = self._compute(queue, pieces)
        except StatusError as error:
            if len(pieces) == 1:
                pieces[0].task.finish(pieces[0].place, error)
            else:  # Run each piece alone, so that only the faulty request fails.
                for piece in pieces:
                    self._finish(queue, [piece])
            return
        for piece, result in zip(pieces, results, strict=True):
            piece.task.finish(piece.place, result)

    def _compute(self, queue: _Queue, pieces: list[_Piece]) -> list[list[np.ndarray]]:
        options, sizes = queue.options, [piece.rows for piece in pieces]
        rows = sum(sizes)
        fetches = pieces[0].task.plan.fetch_names
        began = time.perf_counter()
        try:
            feeds = merging.merge(
                [piece.feeds for piece in pieces], pad=options.pad_variable_lengths
            )
            if rows:
                # Pad with the first row of the last request that has rows.
                last = rows - next(size for size in reversed(sizes) if size)
                feeds = merging.fill_up(
                    feeds, rows=rows, row=last, allowed=options.allowed_batch_sizes
                )
            values = queue.servable.run(feeds, fetches)
            return merging.split(values, sizes, len(next(iter(feeds.values()))))
        except StatusError:
            raise
        except Exception as error:  # If the thread ended here, requests would wait forever.
            logging.exception("A batch failed")
            raise from_exception(error) from error
        finally:
            self._metrics.wrapped_run_count.add()
            self._metrics.batch_size.observe(rows, queue.servable.name)
            observe_run(self._metrics, queue.servable, time.perf_counter() - began)
