"""Delivers results from worker threads to the coroutines that wait for them."""

import asyncio
import collections
import contextlib
from concurrent import futures
from typing import TypeVar

_Result = TypeVar("_Result")


class LoopBridge:
    """Wakes an event loop once for all results of a batch.

    One wake-up per result would interrupt the thread that still sets the other results (GIL).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Delivers results to the coroutines of `loop`."""
        self._loop = loop
        self._finished: collections.deque[tuple[futures.Future, asyncio.Future]] = (
            collections.deque()
        )

    def wake(self) -> None:
        """Delivers all finished results; any thread may call this after it has set results."""
        with contextlib.suppress(RuntimeError):  # The loop has ended: no coroutine waits.
            self._loop.call_soon_threadsafe(self._deliver)

    async def result(self, future: "futures.Future[_Result]") -> _Result:
        """Waits for a result in a coroutine of the loop; cancelling it cancels the future."""
        waiting: asyncio.Future[_Result] = self._loop.create_future()
        future.add_done_callback(lambda done: self._finished.append((done, waiting)))
        if future.done():  # The wake-up may have run before the callback was added.
            self._deliver()
        try:
            return await waiting
        finally:
            future.cancel()

    def _deliver(self) -> None:
        while self._finished:
            future, waiting = self._finished.popleft()
            if waiting.done():  # Cancelled.
                continue
            if future.cancelled():
                waiting.cancel()
            elif (error := future.exception()) is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(future.result())
