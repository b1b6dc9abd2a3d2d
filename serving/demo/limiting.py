"""A rate limit of drawn pictures per client address."""

import time
from collections.abc import Callable

# From this number of addresses on, full buckets are removed.
_MANY_ADDRESSES = 10_000
_MINUTE_SECONDS = 60
_ROUNDING_SECONDS = 1e-6


class RateLimit:
    """A token bucket per address: holds one minute's pictures, and refills continuously."""

    def __init__(
        self, pictures_per_minute: int, *, clock_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """Creates a rate limit; new addresses have full buckets.

        Args:
          pictures_per_minute: limit per address; 0 for no limit.
          clock_seconds: returns the time in seconds.
        """
        self._most, self._clock_seconds = pictures_per_minute, clock_seconds
        self._full_at_seconds: dict[str, float] = {}  # Times at which the buckets are full again.

    def take(self, address: str, pictures: int) -> float:
        """Removes pictures from an address's bucket.

        Returns:
          0.0 if the bucket has enough; else nothing is removed, and the result is the number of
          seconds until it has enough.
        """
        if not self._most:
            return 0.0
        now_seconds = self._clock_seconds()
        full_at_seconds = self._full_at_seconds.get(address)
        if full_at_seconds is None and len(self._full_at_seconds) >= _MANY_ADDRESSES:
            filling = {key: at for key, at in self._full_at_seconds.items() if at > now_seconds}
            self._full_at_seconds = filling
        filling_seconds = max(0.0, (full_at_seconds or now_seconds) - now_seconds)
        filling_seconds += pictures * _MINUTE_SECONDS / self._most
        if filling_seconds > _MINUTE_SECONDS + _ROUNDING_SECONDS:
            return filling_seconds - _MINUTE_SECONDS
        self._full_at_seconds[address] = now_seconds + filling_seconds
        return 0.0
