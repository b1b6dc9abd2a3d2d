"""Returns pictures from the cache, or draws them within the rate limit."""

import dataclasses
from collections.abc import Sequence

from serving.client import Picture
from serving.demo.cache import PictureCache
from serving.demo.limiting import RateLimit
from serving.demo.parameters import Asked
from serving.demo.served import Drawn, ServedModel


class TooManyError(Exception):
    """A client address has reached its rate limit.

    Attributes:
      wait_seconds: seconds until the same request is allowed.
    """

    def __init__(self, wait_seconds: float) -> None:
        """Stores the wait."""
        super().__init__(f"too many pictures, for {wait_seconds:.1f} seconds")
        self.wait_seconds = wait_seconds


@dataclasses.dataclass(frozen=True)
class Hung:
    """A picture, and the model version that drew it."""

    picture: Picture
    version: int


class Gallery:
    """Draws each picture once, while the cache holds it."""

    def __init__(self, model: ServedModel, cache: PictureCache, limit: RateLimit) -> None:
        """Creates a gallery.

        Args:
          model: draws the pictures.
          cache: stores drawn pictures.
          limit: rate limit per client address; pictures from the cache do not count.
        """
        self._model, self._cache, self._limit = model, cache, limit

    async def show(self, asked: Sequence[Asked], *, address: str) -> list[Hung]:
        """Returns pictures in the order of `asked`.

        Args:
          asked: one picture of any kind, or several that differ only in their seeds.
          address: address of the client.

        Raises:
          ModelError: the model does not answer, is too slow or refuses.
          TooManyError: the client address has reached its rate limit.
        """
        version = (await self._model.abilities()).version
        kept = {one: self._cache.get((version, one)) for one in asked}
        missing = [one for one, picture in kept.items() if picture is None]
        hung = {one: Hung(picture, version) for one, picture in kept.items() if picture is not None}
        # Draw only the pictures that are not in the cache.
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
