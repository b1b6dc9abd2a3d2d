"""Returns pictures from the cache, or draws them within the rate limit."""

from collections.abc import Sequence

from serving.demo.cache import PictureCache
from serving.demo.limiting import RateLimit
from serving.demo.parameters import PictureParameters
from serving.demo.served import ServedModel, VersionedPicture


class RateLimitError(Exception):
    """A client address has reached its rate limit.

    Attributes:
      wait_seconds: seconds until the same request is allowed.
    """

    def __init__(self, wait_seconds: float) -> None:
        """Stores the wait."""
        super().__init__(f"too many pictures, for {wait_seconds:.1f} seconds")
        self.wait_seconds = wait_seconds


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
        pictures: dict[PictureParameters, VersionedPicture] = {}
        for one in wanted:
            cached = self._cache.get((version, one))
            if cached is not None:
                pictures[one] = VersionedPicture(cached, version)
        missing = [one for one in wanted if one not in pictures]
        # Draw only the pictures that are not in the cache.
        if missing:
            wait_seconds = self._limit.take(address, len(missing))
            if wait_seconds:
                raise RateLimitError(wait_seconds)
            for one, drawn in zip(missing, await self._model.draw(missing), strict=True):
                self._cache.put((drawn.version, one), drawn.picture)
                pictures[one] = drawn
        return [pictures[one] for one in wanted]
