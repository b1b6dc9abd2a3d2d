"""A rate limit of drawn pictures per client address."""

import dataclasses
import time
from collections.abc import Callable

# From this number of addresses on, full buckets are removed.
_MANY_ADDRESSES = 10_000


@dataclasses.dataclass
class _Bucket:
    pictures: float
    filled_seconds: float


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
        self._buckets: dict[str, _Bucket] = {}

    def take(self, address: str, pictures: int) -> float:
        """Removes pictures from an address's bucket.

        Returns:
          0.0 if the bucket has enough; else nothing is removed, and the result is the number of
          seconds until it has enough.
        """
        if not self._most:
            return 0.0
        now_seconds = self._clock_seconds()
        bucket = self._buckets.get(address)
        if bucket is None:
            if len(self._buckets) >= _MANY_ADDRESSES:
                self._remove_full(now_seconds)
            bucket = self._buckets[address] = _Bucket(self._most, now_seconds)
        bucket.pictures = self._left(bucket, now_seconds)
        bucket.filled_seconds = now_seconds
        missing = pictures - bucket.pictures
        if missing > 0:
            return missing * 60 / self._most
        bucket.pictures -= pictures
        return 0.0

    def _left(self, bucket: _Bucket, now_seconds: float) -> float:
        gained = (now_seconds - bucket.filled_seconds) * self._most / 60
        return min(self._most, bucket.pictures + gained)

    def _remove_full(self, now_seconds: float) -> None:
        self._buckets = {
            address: bucket
            for address, bucket in self._buckets.items()
            if self._left(bucket, now_seconds) < self._most
        }
