"""When a call that failed is made again: only where the server did not take it."""

import dataclasses
import random
import time
from collections.abc import Callable

import grpc


@dataclasses.dataclass(frozen=True)
class Retry:
    """How often a call answered with UNAVAILABLE is made, and how long is waited in between.

    Each address is tried once before a wait; each wait is the one before times `factor`, and is
    made up to a fifth shorter or longer, so that clients refused together do not return together.

    Attributes:
      attempts: calls in all; 1 makes none again.
      first_seconds: the first wait.
      factor: from one wait to the next.
      longest_seconds: no wait is longer, but for that fifth.
    """

    attempts: int = 5
    first_seconds: float = 0.1
    factor: float = 2.0
    longest_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Raises ValueError if no call would be made, or a wait were negative or shrank."""
        for name, least in (
            ("attempts", 1),
            ("first_seconds", 0),
            ("factor", 1),
            ("longest_seconds", 0),
        ):
            value = getattr(self, name)
            if not value >= least:
                raise ValueError(f"{name}: must be at least {least}, got {value}")

    def wait_seconds(self, number: int) -> float:
        """The wait of that number, from 1 on."""
        # Beyond 64 doublings every wait is the longest, and floats would overflow.
        planned = self.first_seconds * self.factor ** min(number - 1, 64)
        return min(planned, self.longest_seconds) * random.uniform(0.8, 1.2)


class Attempts:
    """The attempts of one call: where each goes, how long it may take, when the next one begins."""

    def __init__(
        self,
        retry: Retry,
        *,
        first_address: int,
        addresses: int,
        timeout_seconds: float,
        clock_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins with the first.

        Args:
          retry: the rules.
          first_address: number of the address that the first attempt goes to.
          addresses: how many there are.
          timeout_seconds: of the call, with all its attempts and waits.
          clock_seconds: tells the time.
        """
        self._retry, self._addresses = retry, addresses
        self._first_address, self._clock_seconds = first_address, clock_seconds
        self._deadline_seconds = clock_seconds() + timeout_seconds
        self._failed = 0

    @property
    def address(self) -> int:
        """Number of the address that the present attempt goes to."""
        return (self._first_address + self._failed) % self._addresses

    @property
    def remaining_seconds(self) -> float:
        """What is left of the call's time."""
        return self._deadline_seconds - self._clock_seconds()

    def fail(self, code: grpc.StatusCode) -> float | None:
        """Counts the present attempt as failed.

        Returns:
          Seconds until the next attempt; None where the failure is the call's.
        """
        self._failed += 1
        if code is not grpc.StatusCode.UNAVAILABLE or self._failed >= self._retry.attempts:
            return None
        rounds, tried_in_round = divmod(self._failed, self._addresses)
        wait_seconds = 0.0 if tried_in_round else self._retry.wait_seconds(rounds)
        return wait_seconds if wait_seconds < self.remaining_seconds else None
