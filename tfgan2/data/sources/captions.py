"""Reads and checks captions that users wrote."""

import contextlib
import io
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

from plain_text import decoding
from tfgan2.data.sources import Reject
from tfgan2.program import UsageError

# A byte that a decoder did not accept.
LONE_SURROGATE = re.compile("[\udc80-\udcff]")


class CaptionError(Exception):
    """A caption that cannot be used; the message names the reason."""


def clean(text: object, encoding: str | None = None) -> str:
    """Checks a caption, joins its words with single spaces, and composes its characters (NFC).

    Args:
      text: the caption; bytes that are not in the encoding of its file are lone surrogates.
      encoding: encoding of the file, for the error; None: UTF-8.

    Raises:
      CaptionError: the caption is no text, empty, or not in the encoding.
    """
    if not isinstance(text, str):
        raise CaptionError(f"caption is no text but {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CaptionError(f"caption is not {encoding or 'UTF-8'}") from error
    if not decoding.is_text(text):
        raise CaptionError("caption is no text: it has many control characters")
    caption = " ".join(text.replace("\0", " ").split())
    if not caption:
        raise CaptionError("caption is empty")
    return unicodedata.normalize("NFC", caption)


def lines(content: bytes, encoding: str | None) -> list[str]:
    """Decodes the nonblank lines of a text; `clean` finds the bytes that are not in the encoding.

    Args:
      content: the text.
      encoding: encoding of text without a byte order mark; None: UTF-8.
    """
    return _nonblank(decoding.decode_leniently(content, encoding))


def read_lines(path: pathlib.Path, encoding: str | None) -> list[str]:
    """Reads the nonblank lines of a text file, as `lines` decodes them.

    Raises:
      OSError: the file cannot be read.
    """
    return lines(path.read_bytes(), encoding)


def read_whole(path: pathlib.Path, encoding: str | None) -> list[str]:
    """Reads the nonblank lines of a file whose whole text must be in its encoding.

    Raises:
      UsageError: the file cannot be read, or is not in the encoding.
    """
    try:
        return _nonblank(decoding.decode(path.read_bytes(), encoding))
    except OSError as error:
        raise UsageError(str(path), "must be a readable file", error.strerror) from error
    except decoding.EncodingError as error:
        raise UsageError(str(path), "must be UTF-8 or in --encoding", error) from error


def _nonblank(text: str) -> list[str]:
    return [line.rstrip("\n") for line in io.StringIO(text, newline=None) if line.strip()]


def usable(
    key: str, texts: Iterable[object], encoding: str | None = None
) -> tuple[tuple[str, ...], list[Reject]]:
    """Selects the usable captions of an image.

    Args:
      key: name of the image.
      texts: captions of the image.
      encoding: as in `clean`.

    Returns:
      The usable captions, and the rejects: one per unusable caption or, if no caption is usable,
      one for the image.
    """
    captions, faults = [], []
    for text in texts:
        try:
            captions.append(clean(text, encoding))
        except CaptionError as fault:
            faults.append(str(fault))
    if captions:
        return tuple(captions), [Reject(key, fault) for fault in faults]
    return (), [Reject(key, "; ".join(dict.fromkeys(faults)) or "image has no caption")]


def undecoded(texts: Iterable[object]) -> Iterator[bytes]:
    """Yields the bytes of the texts that were not in the encoding of their files."""
    for text in texts:
        if isinstance(text, str) and LONE_SURROGATE.search(text):
            with contextlib.suppress(UnicodeEncodeError):  # A surrogate that JSON has escaped.
                yield text.encode("utf-8", "surrogateescape")
