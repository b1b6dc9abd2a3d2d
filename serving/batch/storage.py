"""Files on any filesystem that Beam knows, written whole or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems


def is_local(path: str) -> bool:
    """Whether a path is one of this machine's, not one such as gs://bucket/folder."""
    return "://" not in path


def absolute(path: str) -> str:
    """A path that workers understand, wherever they were started."""
    return os.path.abspath(path) if is_local(path) else path.rstrip("/")


def join(folder: str, *names: str) -> str:
    """The path of something in a folder."""
    return FileSystems.join(folder, *names)


def match(pattern: str) -> list[str]:
    """The files that a pattern or path matches, sorted."""
    (found,) = FileSystems.match([pattern])
    return sorted(file.path for file in found.metadata_list)


def names(folder: str) -> list[str]:
    """The names of what is in a folder; none if it is absent."""
    if is_local(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    prefix = f"{folder}/"
    return sorted({path.removeprefix(prefix).split("/")[0] for path in match(f"{prefix}**")})


def exists(path: str) -> bool:
    """Whether there is such a file."""
    return FileSystems.exists(path)


def opened(path: str) -> BinaryIO:
    """Opens a file for reading, as it lies there: nothing is decompressed."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read(path: str) -> bytes:
    """The content of a file."""
    with opened(path) as file:
        return file.read()


@contextlib.contextmanager
def writing(path: str, *, partial_folder: str) -> Iterator[BinaryIO]:
    """Opens a file for writing under a temporary name, and renames it at the end.

    Args:
      path: where it is to stand.
      partial_folder: where it stands meanwhile, on the same filesystem.
    """
    name = f"partial-{uuid.uuid4().hex}"
    partial = f"{partial_folder}/{name}" if is_local(path) else join(partial_folder, name)
    with _created(partial) as file:
        yield file
    rename(partial, path)


def write(path: str, content: bytes, *, partial_folder: str) -> None:
    """Writes a file whole, as `writing` does."""
    with writing(path, partial_folder=partial_folder) as file:
        file.write(content)


def rename(path: str, new_path: str) -> None:
    """Moves a file, over another one if need be."""
    if not is_local(new_path):
        FileSystems.rename([path], [new_path])
        return
    try:
        os.replace(path, new_path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(new_path), exist_ok=True)
        os.replace(path, new_path)


def remove(path: str) -> None:
    """Removes a file or a folder with all that is in it; nothing happens if it is absent."""
    if is_local(path):
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return
    found = match(f"{path}/**") + match(path)
    if found:
        FileSystems.delete(found)


def _created(path: str) -> BinaryIO:
    # Beam looks for its filesystems at every call, which takes longer than writing a small picture.
    if not is_local(path):
        return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    try:
        return open(path, "wb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")
