"""Results from the threads that compute them to the coroutines that wait for them."""

import asyncio
import collections
import contextlib
from concurrent import futures
from typing import TypeVar

_Result = TypeVar("_Result")


class Arrivals:
    """Wakes a loop once for all results of a batch.

    A wake-up for each would take the interpreter away from the thread that is to set the others.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Delivers to coroutines of a loop."""
        self._loop = loop
        self._arrived: collections.deque[tuple[futures.Future, asyncio.Future]] = (
            collections.deque()
        )

    def wake(self) -> None:
        """Delivers what has arrived; for any thread, once it has set its results."""
        with contextlib.suppress(RuntimeError):  # The loop has ended: nobody waits any more.
            self._loop.call_soon_threadsafe(self._deliver)

    async def result(self, future: "futures.Future[_Result]") -> _Result:
        """Waits for a result, in a coroutine of the loop; cancelled, it cancels the future."""
        waiting: asyncio.Future[_Result] = self._loop.create_future()
        future.add_done_callback(lambda arrived: self._arrived.append((arrived, waiting)))
        if future.done():  # Too early for the wake-up to have found it.
            self._deliver()
        try:
            return await waiting
        finally:
            future.cancel()

    def _deliver(self) -> None:
        while self._arrived:
            future, waiting = self._arrived.popleft()
            if waiting.done():  # Cancelled.
                continue
            if future.cancelled():
                waiting.cancel()
            elif (error := future.exception()) is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(future.result())
