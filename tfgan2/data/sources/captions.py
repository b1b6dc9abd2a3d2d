"""Reads and checks captions that users wrote."""

import io
import pathlib
from collections.abc import Iterable

from tfgan2.data.sources import Reject

ENCODING = "utf-8-sig"  # UTF-8, with or without a byte order mark.


class CaptionError(Exception):
    """A caption that cannot be used; the message names the reason."""


def clean(text: object) -> str:
    """Checks a caption, and joins its words with single spaces.

    Args:
      text: the caption; bytes that are not UTF-8 are lone surrogates.

    Raises:
      CaptionError: the caption is no text, empty, or not UTF-8.
    """
    if not isinstance(text, str):
        raise CaptionError(f"caption is no text but {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CaptionError("caption is not UTF-8") from error
    caption = " ".join(text.replace("\0", " ").split())
    if not caption:
        raise CaptionError("caption is empty")
    return caption


def decode(content: bytes) -> str:
    """Decodes text; invalid bytes become lone surrogates, which `clean` finds."""
    return content.decode(ENCODING, errors="surrogateescape")


def lines(content: bytes) -> list[str]:
    """Decodes the nonblank lines of a text."""
    text = io.StringIO(decode(content), newline=None)
    return [line.rstrip("\n") for line in text if line.strip()]


def read_lines(path: pathlib.Path) -> list[str]:
    """Reads the nonblank lines of a text file.

    Raises:
      OSError: the file cannot be read.
    """
    return lines(path.read_bytes())


def usable(key: str, texts: Iterable[object]) -> tuple[tuple[str, ...], list[Reject]]:
    """Selects the usable captions of an image.

    Args:
      key: name of the image.
      texts: captions of the image.

    Returns:
      The usable captions, and the rejects: one per unusable caption or, if no caption is usable,
      one for the image.
    """
    captions, faults = [], []
    for text in texts:
        try:
            captions.append(clean(text))
        except CaptionError as fault:
            faults.append(str(fault))
    if captions:
        return tuple(captions), [Reject(key, fault) for fault in faults]
    return (), [Reject(key, "; ".join(dict.fromkeys(faults)) or "image has no caption")]
