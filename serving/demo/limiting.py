"""How many pictures an address may have drawn."""

import dataclasses
import time
from collections.abc import Callable

# More addresses than these are looked through for such as have all their pictures left.
_MANY_ADDRESSES = 10_000


@dataclasses.dataclass
class _Bucket:
    pictures: float
    filled_seconds: float


class RateLimit:
    """A bucket for each address: it holds a minute's pictures, and fills steadily."""

    def __init__(
        self, pictures_per_minute: int, *, clock_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """Begins with full buckets.

        Args:
          pictures_per_minute: of each address; 0 for any number.
          clock_seconds: tells the time.
        """
        self._most, self._clock_seconds = pictures_per_minute, clock_seconds
        self._buckets: dict[str, _Bucket] = {}

    def take(self, address: str, pictures: int) -> float:
        """Takes pictures from an address's bucket.

        Returns:
          0.0; or, where it has too few and none are taken, seconds until it has enough.
        """
        if not self._most:
            return 0.0
        now_seconds = self._clock_seconds()
        bucket = self._buckets.get(address)
        if bucket is None:
            if len(self._buckets) >= _MANY_ADDRESSES:
                self._forget_full(now_seconds)
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

    def _forget_full(self, now_seconds: float) -> None:
        self._buckets = {
            address: bucket
            for address, bucket in self._buckets.items()
            if self._left(bucket, now_seconds) < self._most
        }
