"""Retries of failed calls: only if the server did not accept the call (UNAVAILABLE)."""

import dataclasses
import random
import time
from collections.abc import Callable

import grpc


@dataclasses.dataclass(frozen=True)
class Retry:
    """How often a call is tried while the answer is UNAVAILABLE, and how long the waits are.

    A wait follows when each address has been tried once. Waits grow by `factor`. Each wait is
    changed at random by up to 20 %, so that clients refused together do not return together.

    Attributes:
      attempts: most attempts of a call; 1 for no retry.
      first_seconds: the first wait.
      factor: ratio of a wait to the previous one.
      longest_seconds: the longest wait, before the random change.
    """

    attempts: int = 5
    first_seconds: float = 0.1
    factor: float = 2.0
    longest_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Raises ValueError for less than one attempt, a negative wait or a factor below 1."""
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
        """The length of a wait; `number` counts from 1."""
        # The exponent is limited: floats would overflow.
        planned = self.first_seconds * self.factor ** min(number - 1, 64)
        return min(planned, self.longest_seconds) * random.uniform(0.8, 1.2)


class Attempts:
    """The attempts of one call: the address and time limit of each, and the waits between them."""

    def __init__(
        self,
        retry: Retry,
        *,
        first_address: int,
        addresses: int,
        timeout_seconds: float,
        clock_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the first attempt.

        Args:
          retry: number of attempts and length of waits.
          first_address: any integer; modulo `addresses` it is the first attempt's address index.
          addresses: number of addresses.
          timeout_seconds: limit of the call, with all attempts and waits.
          clock_seconds: returns the time in seconds.
        """
        self._retry, self._addresses = retry, addresses
        self._first_address, self._clock_seconds = first_address, clock_seconds
        self._deadline_seconds = clock_seconds() + timeout_seconds
        self._failed = 0

    @property
    def address(self) -> int:
        """Index of the current attempt's address."""
        return (self._first_address + self._failed) % self._addresses

    @property
    def remaining_seconds(self) -> float:
        """Seconds until the call's time limit."""
        return self._deadline_seconds - self._clock_seconds()

    def fail(self, code: grpc.StatusCode) -> float | None:
        """Counts the current attempt as failed.

        Returns:
          Seconds until the next attempt; None if the call has failed.
        """
        self._failed += 1
        if code is not grpc.StatusCode.UNAVAILABLE or self._failed >= self._retry.attempts:
            return None
        rounds, tried_in_round = divmod(self._failed, self._addresses)
        wait_seconds = 0.0 if tried_in_round else self._retry.wait_seconds(rounds)
        return wait_seconds if wait_seconds < self.remaining_seconds else None
