"""Captions as users wrote them: files of lines, and what makes a caption unusable."""

import io
import pathlib
from collections.abc import Iterable

from tfgan2.data.sources import Reject

ENCODING = "utf-8-sig"  # UTF-8, with or without a byte order mark.


class CaptionError(Exception):
    """A caption that cannot be used; the message says why."""


def clean(text: object) -> str:
    """Checks a caption and joins its words by single spaces.

    Args:
      text: the caption; bytes that are no UTF-8 stand in it as lone surrogates.

    Raises:
      CaptionError: it is no text, empty, or not UTF-8.
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
    """Decodes text whose broken bytes become lone surrogates, for `clean` to find."""
    return content.decode(ENCODING, errors="surrogateescape")


def read_lines(path: pathlib.Path) -> list[str]:
    """Reads the lines of a text file that are not blank.

    Raises:
      OSError: the file cannot be read.
    """
    text = io.StringIO(decode(path.read_bytes()), newline=None)
    return [line.rstrip("\n") for line in text if line.strip()]


def usable(key: str, texts: Iterable[object]) -> tuple[tuple[str, ...], list[Reject]]:
    """Takes the usable captions of an image.

    Args:
      key: names the image.
      texts: its captions.

    Returns:
      The usable ones, and the rejects: the single captions that are not usable or, if none is,
      the image, once.
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
