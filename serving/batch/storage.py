"""Files on any filesystem that Beam supports; writes are atomic."""

import contextlib
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems


def is_local(path: str) -> bool:
    """Returns whether a path is local, unlike gs://bucket/folder."""
    return "://" not in path


def absolute(path: str) -> str:
    """The path in a form that does not depend on a worker's current folder."""
    return os.path.abspath(path) if is_local(path) else path.rstrip("/")


def join(folder: str, *names: str) -> str:
    """The path of an entry of a folder."""
    return FileSystems.join(folder, *names)


def match(pattern: str) -> list[str]:
    """The sorted paths of the files that match a pattern; a path that exists is no pattern."""
    if is_local(pattern) and os.path.isfile(pattern):
        return [pattern]
    if is_local(pattern) and "**" not in pattern:
        # Beam would list all files below the fixed part of the pattern: with /*.txt, of the disk.
        relative = f"{pattern}*" if pattern.endswith("/") else pattern
        root = pathlib.Path("/" if relative.startswith("/") else ".")
        return sorted(str(path) for path in root.glob(relative.lstrip("/")) if path.is_file())
    (found,) = FileSystems.match([pattern])
    return sorted(file.path for file in found.metadata_list)


def names(folder: str) -> list[str]:
    """The sorted names of a folder's entries; empty if the folder is absent."""
    if is_local(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    prefix = f"{folder}/"
    return sorted({path.removeprefix(prefix).split("/")[0] for path in match(f"{prefix}**")})


def exists(path: str) -> bool:
    """Returns whether a file exists."""
    return FileSystems.exists(path)


def opened(path: str) -> BinaryIO:
    """Opens a file for reading, without decompression."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read(path: str) -> bytes:
    """The content of a file."""
    with opened(path) as file:
        return file.read()


@contextlib.contextmanager
def writing(path: str, *, partial_folder: str) -> Iterator[BinaryIO]:
    """Opens a file for writing under a temporary name, and renames it at the end.

    Args:
      path: final path of the file.
      partial_folder: folder of the temporary file, on the same filesystem.
    """
    name = f"partial-{uuid.uuid4().hex}"
    partial = f"{partial_folder}/{name}" if is_local(path) else join(partial_folder, name)
    with _created(partial) as file:
        yield file
    rename(partial, path)


def write(path: str, content: bytes, *, partial_folder: str) -> None:
    """Writes a file atomically, see `writing`."""
    with writing(path, partial_folder=partial_folder) as file:
        file.write(content)


def rename(path: str, new_path: str) -> None:
    """Moves a file; replaces an existing one."""
    if not is_local(new_path):
        FileSystems.rename([path], [new_path])
        return
    try:
        os.replace(path, new_path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(new_path), exist_ok=True)
        os.replace(path, new_path)


def remove(path: str) -> None:
    """Removes a file, or a folder with its content; does nothing if it is absent."""
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
    # Local files avoid Beam: it searches its filesystems at every call, which takes longer than
    # writing a small picture.
    if not is_local(path):
        return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    try:
        return open(path, "wb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")
