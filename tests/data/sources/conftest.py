"""Small folders with the file names and formats of the real data sets."""

import io
import json
import pathlib
import pickle
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from PIL import Image

from tfgan2.data import sources


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, colour)


def png(colour: tuple[int, int, int] = (200, 0, 0), size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    picture(colour, size).save(buffer, format="PNG")
    return buffer.getvalue()


def write(root: pathlib.Path, files: dict[str, bytes | str]) -> pathlib.Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def jpeg(colour: tuple[int, int, int] = (200, 0, 0), size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    picture(colour, size).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def pickled(value: object) -> bytes:
    return pickle.dumps(value, 2)


def lines(items: Iterable[object]) -> str:
    return "".join(f"{item}\n" for item in items)


Read = Callable[..., sources.Collection]


@pytest.fixture
def read(tmp_path: pathlib.Path) -> Read:
    """Reads a source from the temporary folder of the test."""

    def reader(name: str, **options: object) -> sources.Collection:
        given = {"image_size": 16, "input_dir": str(tmp_path), **options}
        return sources.listed(sources.read(name, sources.SourceOptions(**given)))

    return reader


def keys(collection: sources.Collection) -> dict[str, list[str]]:
    return {split: [item.key for item in items] for split, items in collection.splits.items()}


def captions(collection: sources.Collection) -> dict[str, tuple[str, ...]]:
    return {item.key: item.captions for items in collection.splits.values() for item in items}


def reasons(collection: sources.Collection) -> dict[str, str]:
    return {reject.key: reject.reason for reject in collection.rejects}


def mean_colour(item: sources.Item) -> list[int]:
    return np.rint(item.draw().mean(axis=(0, 1))).astype(int).tolist()


def jsonl(*entries: object) -> str:
    return lines(json.dumps(entry) for entry in entries)
