"""Captions in one file, which every worker can read: each source is read once, in order."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator

from serving.batch import captions, storage
from serving.batch.captions import Entry
from serving.batch.job import Captions

STRIDE = 1024


@dataclasses.dataclass(frozen=True)
class Staged:
    """Captions that were read.

    Attributes:
      captions: how many, and their checksum.
      problems: how many of them cannot be drawn.
      offsets: where in the staged file every 1,024th of them begins, from the first on.
    """

    captions: Captions
    problems: int
    offsets: tuple[int, ...]


def stage(paths: Iterable[str], path: str | None, *, partial_folder: str) -> Staged:
    """Reads files of captions, and writes them into one.

    Args:
      paths: the files, in order.
      path: where the staged file is to stand; None: nothing is written.
      partial_folder: where it stands meanwhile.

    Raises:
      captions.DamagedFileError: a file cannot be read to its end.
    """
    checksum, offsets = hashlib.sha256(), []
    count = problems = position = 0
    with contextlib.ExitStack() as stack:
        file = path and stack.enter_context(storage.writing(path, partial_folder=partial_folder))
        for source in paths:
            for entry in captions.read(source):
                line = _line(entry)
                if count % STRIDE == 0:
                    offsets.append(position)
                if entry.problem is not None:
                    problems += 1
                if file:
                    file.write(line)
                checksum.update(line)
                position += len(line)
                count += 1
    told = Captions(count, checksum.hexdigest())
    return Staged(told, problems, tuple(offsets))


def entries(path: str, offsets: tuple[int, ...], begin: int) -> Iterator[Entry]:
    """Reads a staged file from a caption on.

    Args:
      path: the file.
      offsets: as `Staged` has them.
      begin: number of the first caption.
    """
    with storage.opened(path) as file:
        file.seek(offsets[begin // STRIDE])
        for _ in range(begin % STRIDE):
            file.readline()
        while line := file.readline():
            yield _parse(line)


def text_of(caption: bytes) -> str:
    """A caption as JSON holds it: bytes that are no UTF-8 become single surrogates."""
    return caption.decode("utf-8", "surrogateescape")


def json_line(fields: dict[str, object]) -> bytes:
    r"""A line of JSON, readable but for single surrogates, which stand as \udc80 to \udcff."""
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _line(entry: Entry) -> bytes:
    caption = (
        None if entry.caption is None else text_of(entry.caption[: captions.MAX_CAPTION_BYTES])
    )
    return json_line({"caption": caption, "problem": entry.problem})


def _parse(line: bytes) -> Entry:
    fields = json.loads(line)
    caption = fields["caption"]
    if caption is not None:
        caption = caption.encode("utf-8", "surrogateescape")
    return Entry(caption, fields["problem"])
