"""Calls that have begun, and those that come too late."""

import asyncio
import contextlib

import grpc

# Who asks a server that ends is told so within this time, and can ask another.
LONGEST_WAIT_SECONDS = 1.0


class Calls:
    """Counts the calls that are to be answered, and turns away those that come after `leave`.

    These wait first: gRPC ends a call as CANCELLED, which nobody asks again, where it comes after
    its server has closed and before its client has read so (GOAWAY). Who waits sends none.

    Attributes:
      begun: so many.
      refused: so many came too late.
    """

    def __init__(self) -> None:
        """Takes every call."""
        self.begun = self.refused = 0
        self._open, self._leaving = 0, False
        self._ended, self._turned_away = asyncio.Event(), asyncio.Event()
        self._ended.set()

    async def begin(self, context: grpc.aio.ServicerContext) -> None:
        """Counts a call until its answer has been sent, or nobody waits for it.

        Raises:
          grpc.aio.AbortError: it came too late.
        """
        if self._leaving:
            self.refused += 1
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._turned_away.wait(), LONGEST_WAIT_SECONDS)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
        self.begun += 1
        self._open += 1
        self._ended.clear()
        context.add_done_callback(self._end)

    def _end(self, _: grpc.aio.ServicerContext) -> None:
        self._open -= 1
        if not self._open:
            self._ended.set()

    def leave(self) -> None:
        """Takes no call that has not begun."""
        self._leaving = True

    async def ended(self) -> None:
        """Returns once all that have begun are answered."""
        await self._ended.wait()

    def turn_away(self) -> None:
        """Tells those that came too late."""
        self._turned_away.set()
