"""Calls that have begun, and those that come too late."""

import asyncio
import contextlib

import grpc

# Who asks while others are answered is told within this time, and can ask another server.
LONGEST_WAIT_SECONDS = 1.0
# Nobody is on the way where nobody came for so many looks; counted, so that a busy machine, on
# which all is late, is given longer.
LOOK_SECONDS = 0.05
QUIET_LOOKS = 4
MOST_LOOKS = 40


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
        self._ended, self._kept, self._turned_away = (asyncio.Event() for _ in range(3))
        self._ended.set()

    async def begin(self, context: grpc.aio.ServicerContext) -> None:
        """Counts a call until its answer has been sent, or nobody waits for it.

        Raises:
          grpc.aio.AbortError: it came too late.
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
        """Takes no call that has not begun."""
        self._leaving = True

    async def ended(self) -> None:
        """Returns once all that have begun are answered."""
        await self._ended.wait()

    async def quiet(self) -> None:
        """Keeps those that come too late, and returns once no more come, or after two seconds."""
        self._kept.set()
        quiet_looks = 0
        for _ in range(MOST_LOOKS):
            came = self.refused
            await asyncio.sleep(LOOK_SECONDS)
            quiet_looks = quiet_looks + 1 if self.refused == came else 0
            if quiet_looks == QUIET_LOOKS:
                return

    def turn_away(self) -> None:
        """Tells those that came too late."""
        self._turned_away.set()
