"""Pictures for whoever asks: from the cache, or drawn within the rate limit and the time."""

import dataclasses
from collections.abc import Sequence

from serving.client import Picture
from serving.demo.asked import Asked
from serving.demo.cache import PictureCache
from serving.demo.limiting import RateLimit
from serving.demo.served import Drawn, ServedModel


class TooManyError(Exception):
    """An address has had all the pictures that it may have for now.

    Attributes:
      wait_seconds: until it may have these.
    """

    def __init__(self, wait_seconds: float) -> None:
        """Keeps the time."""
        super().__init__(f"too many pictures, for {wait_seconds:.1f} seconds")
        self.wait_seconds = wait_seconds


@dataclasses.dataclass(frozen=True)
class Hung:
    """A picture and the version that drew it."""

    picture: Picture
    version: int


class Gallery:
    """Draws each picture once, as long as there is room to keep it."""

    def __init__(self, model: ServedModel, cache: PictureCache, limit: RateLimit) -> None:
        """Begins.

        Args:
          model: draws.
          cache: keeps what has been drawn.
          limit: of pictures drawn for an address; those that are kept count nothing.
        """
        self._model, self._cache, self._limit = model, cache, limit

    async def show(self, asked: Sequence[Asked], *, address: str) -> list[Hung]:
        """Pictures in the order asked for.

        Args:
          asked: one of any kind, or several that differ in their seeds alone.
          address: who asks.

        Raises:
          ModelError: the model is away, too slow or refuses.
          TooManyError: the address has had too many.
        """
        version = (await self._model.abilities()).version
        kept = {one: self._cache.get((version, one)) for one in asked}
        missing = [one for one, picture in kept.items() if picture is None]
        hung = {one: Hung(picture, version) for one, picture in kept.items() if picture is not None}
        if missing:
            wait_seconds = self._limit.take(address, len(missing))
            if wait_seconds:
                raise TooManyError(wait_seconds)
            drawn = await self._draw(missing)
            for one, picture in zip(missing, drawn.pictures, strict=True):
                self._cache.put((drawn.version, one), picture)
                hung[one] = Hung(picture, drawn.version)
        return [hung[one] for one in asked]

    async def _draw(self, asked: Sequence[Asked]) -> Drawn:
        if asked[0].towards is not None:
            return await self._model.mix(asked[0])
        return await self._model.draw(asked)
