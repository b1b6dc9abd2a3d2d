"""The files of a folder tree, and the search for an image by a name in a table."""

import collections
import dataclasses
import functools
import os
import pathlib
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from tfgan2.data.images import FORMATS
from tfgan2.data.sources import Reject

IMAGE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
    | ({".avif"} if "AVIF" in FORMATS else set())
)
# Files and folders that systems and programs write beside a user's files.
_SYSTEM_NAME = re.compile(
    r"\._.*|\.DS_Store|__MACOSX|\.AppleDouble|\.Spotlight-V100|\.fseventsd|\.TemporaryItems|Icon\r"
    r"|Thumbs\.db|ehthumbs\.db|desktop\.ini|\$RECYCLE\.BIN|System Volume Information|~\$.*"
    r"|\.Trash.*|\.directory|@eaDir|\.nfs.*"
    r"|\.ipynb_checkpoints|__pycache__|\.cache|\.git|\.hg|\.svn",
    re.IGNORECASE,
)
_SHOWN_KINDS = 5
_DRIVE = re.compile(r"[A-Za-z]:(?=/)")


class NotFoundError(Exception):
    """A name of no image or of several images; the message ends a sentence about the table."""


@dataclasses.dataclass(frozen=True)
class Tree:
    """Files below a folder.

    Attributes:
      root: the folder.
      files: paths of all files by key; a key is the path relative to the root, with slashes.
      unusable: links that cannot be followed, folders that cannot be read, and special files: the
        reason by key.
      system: keys of the files of systems and programs, such as .DS_Store.
    """

    root: pathlib.Path
    files: Mapping[str, pathlib.Path]
    unusable: Mapping[str, str] = dataclasses.field(default_factory=dict)
    system: tuple[str, ...] = ()

    @functools.cached_property
    def rejects(self) -> list[Reject]:
        """Returns a reject for each unusable file or folder."""
        return [Reject(printable(key), reason) for key, reason in self.unusable.items()]

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


def read(root: pathlib.Path) -> Tree:
    """Lists all files below a folder; follows links to files and folders.

    A folder with several names is listed under each name, but not inside itself.
    """
    files: dict[str, pathlib.Path] = {}
    unusable: dict[str, str] = {}
    system: list[str] = []
    # Key, and the identities of the folder and of all folders above.
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while waiting:
        folder, above = waiting.pop()
        try:
            status = os.stat(root / folder)
            within = above | {(status.st_dev, status.st_ino)}
            if within == above:
                unusable[folder] = "link leads to a folder above it"
                continue
            with os.scandir(root / folder) as entries:
                found = list(entries)
        except OSError as error:
            unusable[folder or "."] = unreadable(error)
            continue
        for entry in found:
            key = posixpath.join(folder, entry.name)
            of_system = is_of_system(key)
            fault = None if of_system else _fault(entry)
            if fault is not None:
                unusable[key] = fault
            elif entry.is_dir(follow_symlinks=not of_system):
                waiting.append((key, within))
            elif of_system:
                system.append(key)
            else:
                files[key] = root / key
    return Tree(
        root, dict(sorted(files.items())), dict(sorted(unusable.items())), tuple(sorted(system))
    )


def _fault(entry: os.DirEntry[str]) -> str | None:
    """Returns the reason why an entry of a folder cannot be read; None: a file or a folder."""
    try:
        if entry.is_dir() or entry.is_file():
            return None
        os.stat(entry.path)
    except FileNotFoundError:
        return "link leads to no file"
    except OSError as error:
        return unreadable(error)
    return "is neither a file nor a folder"


def is_of_system(key: str) -> bool:
    """Whether a system or program writes files or folders of this name, such as .DS_Store."""
    return any(map(_SYSTEM_NAME.fullmatch, key.split("/")))


def kinds(keys: Iterable[str]) -> str:
    """Counts files by name, if the name is of a system, or else by suffix: `3 x .md, 1 x .csv`."""
    counts = collections.Counter(map(_kind, keys)).most_common()
    shown = ", ".join(f"{count} x {printable(kind)}" for kind, count in counts[:_SHOWN_KINDS])
    more = sum(count for _, count in counts[_SHOWN_KINDS:])
    return f"{shown} and {more} more" if more else shown


def _kind(key: str) -> str:
    for part in key.split("/"):
        if _SYSTEM_NAME.fullmatch(part):
            return "._*" if part.startswith("._") else part
    return suffix(key) or posixpath.basename(key)


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
