"""Copies all captions into one file that every worker can read; reads each source once."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator

from serving.batch import caption_files, storage
from serving.batch.caption_files import Entry
from serving.batch.job import CaptionsDigest

STRIDE = 1024


@dataclasses.dataclass(frozen=True)
class StagedCaptions:
    """The result of staging.

    Attributes:
      captions: number and checksum of the captions.
      problems: number of captions that cannot be drawn.
      offsets: byte offsets of every 1,024th caption in the staged file, from the first on.
    """

    captions: CaptionsDigest
    problems: int
    offsets: tuple[int, ...]


def stage(
    paths: Iterable[str], path: str | None, *, partial_folder: str, encoding: str | None = None
) -> StagedCaptions:
    """Reads caption files, and writes all captions into one file.

    Args:
      paths: the caption files, in order.
      path: path of the staged file; None: writes nothing.
      partial_folder: folder of the file while it is written.
      encoding: encoding of text without a byte order mark; None: UTF-8.

    Raises:
      decoding.EncodingError: a line of text is not in its encoding.
      caption_files.DamagedFileError: a file cannot be read to its end.
    """
    checksum, offsets = hashlib.sha256(), []
    count = problems = position = 0
    with contextlib.ExitStack() as stack:
        file = path and stack.enter_context(storage.writing(path, partial_folder=partial_folder))
        for source in paths:
            for entry in caption_files.read(source, encoding):
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
    digest = CaptionsDigest(count, checksum.hexdigest())
    return StagedCaptions(digest, problems, tuple(offsets))


def entries(path: str, offsets: tuple[int, ...], begin: int) -> Iterator[Entry]:
    """Reads a staged file from one caption on.

    Args:
      path: the staged file.
      offsets: see `StagedCaptions`.
      begin: number of the first caption to read.
    """
    with storage.opened(path) as file:
        file.seek(offsets[begin // STRIDE])
        for _ in range(begin % STRIDE):
            file.readline()
        while line := file.readline():
            yield _parse(line)


def text_of(caption: bytes) -> str:
    """A caption as text for JSON: bytes that are not UTF-8 become single surrogates."""
    return caption.decode("utf-8", "surrogateescape")


def json_line(fields: dict[str, object]) -> bytes:
    r"""A line of JSON in UTF-8; single surrogates are written as \udc80 to \udcff."""
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _line(entry: Entry) -> bytes:
    caption = (
        None if entry.caption is None else text_of(entry.caption[: caption_files.MAX_CAPTION_BYTES])
    )
    return json_line({"caption": caption, "problem": entry.problem})


def _parse(line: bytes) -> Entry:
    fields = json.loads(line)
    caption = fields["caption"]
    if caption is not None:
        caption = caption.encode("utf-8", "surrogateescape")
    return Entry(caption, fields["problem"])
