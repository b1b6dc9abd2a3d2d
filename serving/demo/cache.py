"""A cache of drawn pictures with a size limit in bytes."""

import collections
from collections.abc import Hashable

from serving.client import Picture

# Memory of an entry in addition to its PNG and text: a few Python objects, rounded up.
ENTRY_BYTES = 1000


class PictureCache:
    """Removes the least recently used pictures first (LRU)."""

    def __init__(self, bytes_limit: int) -> None:
        """Creates an empty cache.

        Args:
          bytes_limit: total size of all pictures; 0 for no cache.
        """
        self.bytes_limit, self.bytes_held = bytes_limit, 0
        self._pictures: collections.OrderedDict[Hashable, Picture] = collections.OrderedDict()

    def get(self, key: Hashable) -> Picture | None:
        """Returns the picture of a key, or None."""
        picture = self._pictures.get(key)
        if picture is not None:
            self._pictures.move_to_end(key)
        return picture

    def put(self, key: Hashable, picture: Picture) -> None:
        """Adds a picture, unless it alone exceeds the limit; removes old ones if needed."""
        if key in self._pictures or _size_bytes(picture) > self.bytes_limit:
            return
        self._pictures[key] = picture
        self.bytes_held += _size_bytes(picture)
        while self.bytes_held > self.bytes_limit:
            _, removed = self._pictures.popitem(last=False)
            self.bytes_held -= _size_bytes(removed)


def _size_bytes(picture: Picture) -> int:
    # A key holds captions of limited length, which ENTRY_BYTES counts.
    return len(picture.png) + len(picture.text or "") + ENTRY_BYTES
