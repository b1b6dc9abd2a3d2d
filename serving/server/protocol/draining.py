"""Draining of the gRPC server: counts running calls, and refuses calls during the shutdown."""

import asyncio
import contextlib

import grpc

# While other calls still run, a refused call is answered within this time, so that its client can
# try another server.
LONGEST_WAIT_SECONDS = 1.0
# Draining ends after four polls without a new call. Polls are counted instead of seconds, so that
# a busy machine gets more time.
LOOK_SECONDS = 0.05
QUIET_LOOKS = 4
MOST_LOOKS = 40


class Calls:
    """Counts the accepted calls, and refuses calls that arrive after `leave`.

    A refused call waits before it is refused: if a call arrives after the server has closed and
    before its client has read the GOAWAY, gRPC ends the call as CANCELLED, which clients do not
    retry. A client that waits sends no such call.

    Attributes:
      begun: number of accepted calls.
      refused: number of refused calls.
    """

    def __init__(self) -> None:
        """Accepts every call."""
        self.begun = self.refused = 0
        self._open, self._leaving = 0, False
        self._ended, self._kept, self._turned_away = (asyncio.Event() for _ in range(3))
        self._ended.set()

    async def begin(self, context: grpc.aio.ServicerContext) -> None:
        """Counts a call as running until its response is sent or the call is cancelled.

        Raises:
          grpc.aio.AbortError: the server is stopping; the status is UNAVAILABLE.
        """
        if self._leaving:
            self.refused += 1
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._kept.wait(), LONGEST_WAIT_SECONDS)
            if self._kept.is_set():
                await self._turned_away.wait()
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
        """Refuses every call that begins after this."""
        self._leaving = True

    async def ended(self) -> None:
        """Returns when all accepted calls have ended."""
        await self._ended.wait()

    async def quiet(self) -> None:
        """Holds refused calls; returns after four polls without a new call, or after 2 s."""
        self._kept.set()
        quiet_looks = 0
        for _ in range(MOST_LOOKS):
            came = self.refused
            await asyncio.sleep(LOOK_SECONDS)
            quiet_looks = quiet_looks + 1 if self.refused == came else 0
            if quiet_looks == QUIET_LOOKS:
                return

    def turn_away(self) -> None:
        """Ends the held calls as UNAVAILABLE."""
        self._turned_away.set()
