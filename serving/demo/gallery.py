"""Returns pictures from the cache, or draws them within the rate limit."""

import dataclasses
from collections.abc import Sequence

from serving.client import Picture
from serving.demo.cache import PictureCache
from serving.demo.limiting import RateLimit
from serving.demo.parameters import PictureParameters
from serving.demo.served import GeneratedPictures, ServedModel


class RateLimitError(Exception):
    """A client address has reached its rate limit.

    Attributes:
      wait_seconds: seconds until the same request is allowed.
    """

    def __init__(self, wait_seconds: float) -> None:
        """Stores the wait."""
        super().__init__(f"too many pictures, for {wait_seconds:.1f} seconds")
        self.wait_seconds = wait_seconds


@dataclasses.dataclass(frozen=True)
class VersionedPicture:
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

    async def show(
        self, wanted: Sequence[PictureParameters], *, address: str
    ) -> list[VersionedPicture]:
        """Returns pictures in the order of `wanted`.

        Args:
          wanted: one picture of any kind, or several that differ only in their seeds.
          address: address of the client.

        Raises:
          ModelError: the model does not answer, is too slow or refuses.
          RateLimitError: the client address has reached its rate limit.
        """
        version = (await self._model.abilities()).version
        cached = {one: self._cache.get((version, one)) for one in wanted}
        missing = [one for one, picture in cached.items() if picture is None]
        pictures = {
            one: VersionedPicture(picture, version)
            for one, picture in cached.items()
            if picture is not None
        }
        # Draw only the pictures that are not in the cache.
        if missing:
            wait_seconds = self._limit.take(address, len(missing))
            if wait_seconds:
                raise RateLimitError(wait_seconds)
            drawn = await self._draw(missing)
            for one, picture in zip(missing, drawn.pictures, strict=True):
                self._cache.put((drawn.version, one), picture)
                pictures[one] = VersionedPicture(picture, drawn.version)
        return [pictures[one] for one in wanted]

    async def _draw(self, wanted: Sequence[PictureParameters]) -> GeneratedPictures:
        if wanted[0].towards is not None:
            return await self._model.mix(wanted[0])
        return await self._model.draw(wanted)
