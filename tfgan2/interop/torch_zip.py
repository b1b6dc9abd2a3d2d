"""Reads torch.save's zip format, the default since PyTorch 1.6."""

import io
import pathlib
import re
import zipfile
from typing import IO, Any, BinaryIO

from tfgan2.interop import torch_pickles
from tfgan2.interop.torch_storages import Storages
from tfgan2.program import UsageError

HEAD = b"PK\x03\x04"


def parse(file: BinaryIO, *, path: pathlib.Path, size: int) -> Any:
    """Parses a zip file of torch.save.

    Args:
      file: the open file.
      path: path of the file, for error messages.
      size: size of the file in bytes.

    Returns:
      dict, list, tuple, str, int, float, bool, None or NumPy array.

    Raises:
      UsageError: the file holds other types, is a TorchScript archive, or is big-endian.
      Exception: of nearly any type, if the file is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        folder = _folder(archive, path=path)
        _check_byte_order(archive, folder, path=path)
        storages = Storages(unclaimed=size)
        content = _open(archive, f"{folder}/data.pkl").read()
        value = torch_pickles.load(io.BytesIO(content), path=path, find_storage=storages.find)
        for key, storage in storages.known.items():
            with _open(archive, f"{folder}/data/{key}", size=storage.size) as entry:
                storage.fill(entry)
    return value


def _folder(archive: zipfile.ZipFile, *, path: pathlib.Path) -> str:
    """Returns the folder of all entries; its name is the name of the saved file."""
    names = archive.namelist()
    folders = [name.split("/")[0] for name in names if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(folders) != 1:
        rule = "must be a zip file that torch.save wrote, with one data.pkl in a folder"
        raise UsageError(str(path), rule, f"{len(folders)} of them")
    if f"{folders[0]}/constants.pkl" in names:
        rule = "must hold tensors in plain containers, as torch.save writes them"
        raise UsageError(str(path), rule, "a TorchScript archive")
    return folders[0]


def _check_byte_order(archive: zipfile.ZipFile, folder: str, *, path: pathlib.Path) -> None:
    name = f"{folder}/byteorder"
    if name not in archive.namelist():
        return  # Older files have no byte order entry.
    order = _open(archive, name).read()
    if order != b"little":
        raise UsageError(str(path), "must be little-endian", repr(order[:20]))


def _open(archive: zipfile.ZipFile, name: str, *, size: int | None = None) -> IO[bytes]:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name!r} is compressed, which torch.save never does")
    if size is not None and entry.file_size != size:
        raise ValueError(f"{name!r} has {entry.file_size} bytes, its storage {size}")
    return archive.open(entry)
