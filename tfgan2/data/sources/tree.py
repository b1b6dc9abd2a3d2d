"""The files of a folder tree, and the search for an image by a name in a table."""

import dataclasses
import functools
import os
import pathlib
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping

from tfgan2.data.sources import Reject

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
_DRIVE = re.compile(r"[A-Za-z]:(?=/)")


class NotFoundError(Exception):
    """A name of no image or of several images; the message ends a sentence about the table."""


@dataclasses.dataclass(frozen=True)
class Tree:
    """Files below a folder.

    Attributes:
      root: the folder.
      files: paths of all files by key; a key is the path relative to the root, with slashes.
    """

    root: pathlib.Path
    files: Mapping[str, pathlib.Path]

    @functools.cached_property
    def images(self) -> tuple[str, ...]:
        """Keys of the files with a suffix of images, in order."""
        return tuple(key for key in self.files if suffix(key) in IMAGE_SUFFIXES)

    @functools.cached_property
    def folded(self) -> Mapping[str, list[str]]:
        """Keys by their folded form."""
        keys = defaultdict(list)
        for key in self.files:
            keys[fold(key)].append(key)
        return keys

    @functools.cached_property
    def texts_beside(self) -> Mapping[str, list[str]]:
        """Images by the key of the text file that differs from them in the suffix alone."""
        found = defaultdict(list)
        for image in self.images:
            text = pathlib.PurePath(image).with_suffix(".txt").as_posix()
            alike = [text] if text in self.files else self.folded.get(fold(text), [])
            if len(alike) == 1:
                found[alike[0]].append(image)
        return found

    def find(self, name: str, *, folder: str, anywhere: bool) -> str:
        """Finds the image that a table names.

        The first of these rules that finds an image counts. All but the first compare names in
        NFC and without case, and read a backslash as a slash.

        1. The name is relative to the folder of the table, or absolute and below the root.
        2. The name is relative to the folder of the table or to the root.
        3. The path of one image ends with the name. Below the folder of the table the name of the
           file is enough; elsewhere the name must have a folder. The beginning of an absolute name
           is left out until an image is found.

        Args:
          name: the name as the table has it.
          folder: key of the folder of the table; empty: the root.
          anywhere: whether in rule 3 the name of the file is enough in the whole tree.

        Raises:
          NotFoundError: no image has the name, or several have it.
        """
        key = posixpath.normpath(posixpath.join(folder, name))
        if name.startswith("/"):
            key = posixpath.relpath(name, self.root.absolute())
        if key in self._image_set:
            return key
        text = name.strip().replace("\\", "/")
        absolute = text.startswith("/") or _DRIVE.match(text) is not None
        parts = posixpath.normpath(_DRIVE.sub("", text)).strip("/").split("/")
        found = [] if absolute else self._relative(parts, folder)
        for start in range(len(parts) if absolute else 1):
            found = found or self._ending(parts[start:], "" if anywhere else folder)
        if not found:
            raise NotFoundError("names an image that is not there")
        if len(found) > 1:
            raise NotFoundError("has a name that several images share")
        return found[0]

    def _relative(self, parts: list[str], folder: str) -> list[str]:
        """Returns the images of a name that is relative to the folder or to the root."""
        for base in (folder, "") if len(parts) > 1 else (folder,):
            key = posixpath.normpath(posixpath.join(base, *parts))
            found = [one for one in self.folded.get(fold(key), ()) if one in self._image_set]
            if found:
                return found
        return []

    def _ending(self, parts: list[str], folder: str) -> list[str]:
        """Returns the images whose path ends with the parts."""
        ending = "/" + fold("/".join(parts))
        found = self._by_name.get(fold(parts[-1]), [])
        if len(parts) > 1:
            return [one for one in found if f"/{fold(one)}".endswith(ending)]
        return [one for one in found if not folder or one.startswith(f"{folder}/")]

    @functools.cached_property
    def _image_set(self) -> frozenset[str]:
        return frozenset(self.images)

    @functools.cached_property
    def _by_name(self) -> Mapping[str, list[str]]:
        """Images by the folded name of their file."""
        keys = defaultdict(list)
        for key in self.images:
            keys[fold(posixpath.basename(key))].append(key)
        return keys


def read(root: pathlib.Path) -> tuple[Tree, list[Reject]]:
    """Lists all files below a folder; folders that cannot be read are rejects."""
    found: dict[str, pathlib.Path] = {}
    rejects: list[Reject] = []

    def closed(error: OSError) -> None:
        rejects.append(Reject(printable(str(error.filename)), unreadable(error)))

    for folder, _, names in os.walk(root, onerror=closed):
        for name in names:
            path = pathlib.Path(folder, name)
            found[path.relative_to(root).as_posix()] = path
    return Tree(root, dict(sorted(found.items()))), rejects


def suffix(key: str) -> str:
    """Returns the suffix of a key in lower case, with its dot."""
    return pathlib.PurePath(key).suffix.lower()


def fold(name: str) -> str:
    """Returns the common form of names that differ in case or in Unicode's composition alone."""
    return unicodedata.normalize("NFC", name.casefold())


def unreadable(error: OSError) -> str:
    """Reason of a file or folder that cannot be read."""
    return f"cannot be read: {error.strerror}"


def printable(key: str) -> str:
    """Writes bytes of a file name that are not UTF-8, and lone surrogates, as escapes."""
    try:
        content = key.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # A surrogate of JSON that stands for no byte.
        content = key.encode(errors="surrogatepass")
    return content.decode(errors="backslashreplace")
