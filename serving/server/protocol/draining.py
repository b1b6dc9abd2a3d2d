"""Draining of the server: counts running calls, and refuses gRPC calls during the shutdown."""

import asyncio
import contextlib
from collections.abc import Iterator

import grpc

# While other calls still run, a refused call is answered within this time, so that its client can
# try another server.
LONGEST_WAIT_SECONDS = 1.0
# Draining ends after four polls without a new call. Polls are counted instead of seconds, so that
# a busy machine gets more time.
POLL_SECONDS = 0.05
QUIET_POLLS = 4
MOST_POLLS = 40


class CallTracker:
    """Counts the accepted calls, and refuses gRPC calls that arrive after `refuse_new`.

    REST calls are never refused: each connection of REST ends with its next response.

    A refused call waits before it is refused: if a call arrives after the server has closed and
    before its client has read the GOAWAY, gRPC ends the call as CANCELLED, which clients do not
    retry. A client that waits sends no such call.

    Attributes:
      accepted: number of accepted calls.
      refused: number of refused calls.
    """

    def __init__(self) -> None:
        """Accepts every call."""
        self.accepted = self.refused = 0
        self._open, self._refusing = 0, False
        self._all_ended, self._closing, self._released = (asyncio.Event() for _ in range(3))
        self._all_ended.set()

    @property
    def refusing(self) -> bool:
        """Whether the server is stopping."""
        return self._refusing

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts a REST call as running until the end of the block."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    async def begin(self, context: grpc.aio.ServicerContext) -> None:
        """Counts a gRPC call as running until its response is sent or the call is cancelled.

        Raises:
          grpc.aio.AbortError: the server is stopping; the status is UNAVAILABLE.
        """
        if self._refusing:
            self.refused += 1
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), LONGEST_WAIT_SECONDS)
            if self._closing.is_set():
                await self._released.wait()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
        self._begin()
        context.add_done_callback(lambda _: self._end())

    def _begin(self) -> None:
        self.accepted += 1
        self._open += 1
        self._all_ended.clear()

    def _end(self) -> None:
        self._open -= 1
        if not self._open:
            self._all_ended.set()

    def refuse_new(self) -> None:
        """Refuses every gRPC call that begins after this."""
        self._refusing = True

    async def wait_ended(self) -> None:
        """Returns when all accepted calls have ended."""
        await self._all_ended.wait()

    async def wait_quiet(self) -> None:
        """Holds refused calls; returns after four polls without a new call, or after 2 s."""
        self._closing.set()
        quiet_polls = 0
        for _ in range(MOST_POLLS):
            refused_before = self.refused
            await asyncio.sleep(POLL_SECONDS)
            quiet_polls = quiet_polls + 1 if self.refused == refused_before else 0
            if quiet_polls == QUIET_POLLS:
                return

    def release_held(self) -> None:
        """Ends the held calls as UNAVAILABLE."""
        self._released.set()
