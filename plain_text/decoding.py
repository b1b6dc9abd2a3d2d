"""Decodes text files: UTF-8, UTF-16 and UTF-32, or the encoding that the user names."""

import codecs
import io
import re
from typing import Any, BinaryIO

UTF_8, UTF_8_WITH_MARK = "utf-8", "utf-8-sig"
# The mark of UTF-32 in little-endian order begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, UTF_8_WITH_MARK),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FLAG = "--encoding"
CHUNK_BYTES = 2**16
# Shorter text in UTF-16 of other scripts than Latin cannot be told from text with a NUL.
FEWEST_BYTES_OF_SCRIPTS = 16
# Control characters without the white space among them.
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
MOST_CONTROLS = 1 / 3
GUESSED_BYTES, SHOWN_CHARACTERS = 2**16, 40
WEST_EUROPEAN = "cp1252"
# Decoders that accept nearly all bytes.
NEVER_GUESSED = ["utf_7", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]


class EncodingError(ValueError):
    """Bytes that are no text in the expected encoding; the message says where, and what to do."""


def check_name(encoding: str) -> None:
    """Checks the name of an encoding.

    Raises:
      ValueError: Python has no text encoding of this name.
    """
    try:
        b"a".decode(encoding)
        "a".encode(encoding)
    except UnicodeError:
        pass
    except (LookupError, ValueError) as error:
        raise ValueError("must be a text encoding of Python, such as cp1252 or latin-1") from error


def detect(content: bytes, encoding: str | None = None) -> str:
    """Returns the name of the decoder of a text.

    A byte order mark decides; then `encoding`; then UTF-16 without a mark, which has a NUL in every
    second byte, or in another script than Latin a byte below 32. All other text is UTF-8.

    Args:
      content: the text, or at least its first 65,536 bytes.
      encoding: encoding of text without a byte order mark; None: UTF-8.
    """
    for mark, name in MARKS:
        if content.startswith(mark):
            return name
    if encoding is None:
        return _utf_16_without_mark(content[:CHUNK_BYTES]) or UTF_8
    name = codecs.lookup(encoding).name
    # These decoders want the mark that is absent here.
    return f"{name}-le" if name in ("utf-16", "utf-32") else name


def _utf_16_without_mark(content: bytes) -> str | None:
    if len(content) % 2 or b"\0" not in content:
        return None
    for name, high, low in (
        ("utf-16-le", content[1::2], content[::2]),
        ("utf-16-be", content[::2], content[1::2]),
    ):
        expected = high.count(0)
        if len(content) >= FEWEST_BYTES_OF_SCRIPTS:
            expected = sum(byte < 32 for byte in high)
        if 4 * expected >= 3 * len(high) and 16 * low.count(0) <= len(low):
            return name
    return None


def decode(content: bytes, encoding: str | None = None, *, flag: str | None = FLAG) -> str:
    """Decodes text.

    Args:
      content: the text.
      encoding: encoding of text without a byte order mark; None: UTF-8.
      flag: flag of the program for `encoding`, for the error message; None: the program has none.

    Raises:
      EncodingError: the bytes are no text in this encoding.
    """
    name = detect(content, encoding)
    try:
        text = content.decode(name)
    except UnicodeError as error:
        raise _error_of(error, content, name, flag=flag) from error
    if not is_text(text):
        raise EncodingError(f"the file is no text in {name}: it has many control characters")
    return text


def decode_leniently(content: bytes, encoding: str | None = None) -> str:
    """Decodes text like `decode`, but bytes that are not text become lone surrogates."""
    name = detect(content, encoding)
    for decoder in (name, UTF_8):
        for errors in ("strict", "surrogateescape"):
            try:
                return content.decode(decoder, errors)
            except UnicodeError:  # Some decoders know no surrogates.
                continue
    raise AssertionError("UTF-8 with surrogates decodes all bytes")


def is_text(text: str) -> bool:
    """Whether at most a third of the characters are control characters, NUL included."""
    return len(CONTROLS.findall(text)) <= MOST_CONTROLS * len(text)


def wrong_encoding(
    content: bytes, expected: str, *, line: int, flag: str | None = FLAG
) -> EncodingError:
    """The error of bytes that are not in the expected encoding.

    Args:
      content: the bytes, from the start of their line on.
      expected: the encoding.
      line: number of the line, from 1.
      flag: as in `decode`.
    """
    found = f"line {line} is not {'UTF-8' if expected == UTF_8 else expected}"
    guessed = guess(content)
    if guessed is None:
        return EncodingError(f"{found}; the text must be converted to UTF-8")
    name, excerpt = guessed
    action = f"{flag}={name} reads it"
    if flag is None:
        action = f"iconv --from-code={name} --to-code=UTF-8 converts the file"
    return EncodingError(f"{found} but perhaps {name} ({excerpt!r}); if so, {action}")


def _error_of(
    error: UnicodeError, content: bytes, expected: str, *, first_line: int = 1, flag: str | None
) -> EncodingError:
    """The error of a decoder's error in a content that begins in the line `first_line`."""
    start = 0
    if isinstance(error, UnicodeDecodeError):
        content, start = error.object, error.start
    before = content[:start].decode(expected, "replace")
    rest = content[content.rfind(b"\n", 0, start) + 1 :]
    return wrong_encoding(rest, expected, line=first_line + before.count("\n"), flag=flag)


def guess(content: bytes) -> tuple[str, str] | None:
    """Guesses the encoding of bytes that are not UTF-8; only for messages.

    Returns:
      The name of the encoding, and the beginning of the first line that is not ASCII as read with
      it; None if the bytes look like no text.
    """
    # Imported here: the import needs 50 ms, and most programs never guess.
    from charset_normalizer import from_bytes

    matches = list(from_bytes(content[:GUESSED_BYTES], cp_exclusion=NEVER_GUESSED))
    if not matches:
        return None
    # Of equally good guesses, the most frequent encoding.
    best, name = matches[0], matches[0].encoding
    for match in matches:
        alike = (match.chaos, match.coherence) == (best.chaos, best.coherence)
        if alike and WEST_EUROPEAN in match.could_be_from_charset:
            best, name = match, WEST_EUROPEAN
    lines = str(best).splitlines() or [""]
    shown = next((line for line in lines if not line.isascii()), lines[0])
    return name, shown.strip()[:SHOWN_CHARACTERS]


class UTF8Stream(io.RawIOBase):
    """The bytes of a text stream in UTF-8, without byte order mark.

    Text that `detect` finds to be UTF-8 passes unchanged and unchecked.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None = None) -> None:
        """Reads the beginning of the stream.

        Args:
          stream: the text.
          encoding: as in `detect`.
        """
        super().__init__()
        self._stream = stream
        beginning = stream.read(CHUNK_BYTES)
        while beginning and len(beginning) < CHUNK_BYTES:
            more = stream.read(CHUNK_BYTES - len(beginning))
            if not more:
                break
            beginning += more
        self._name = detect(beginning, encoding)
        self._decoder = codecs.getincrementaldecoder(self._name)()
        if self._name == UTF_8_WITH_MARK:
            beginning = beginning.removeprefix(codecs.BOM_UTF8)
        self._lines = 1
        self._ready = self._recode(beginning, final=False)
        self._ended = False

    def readable(self) -> bool:
        """Whether the stream can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads at most as many bytes as the buffer has.

        Returns:
          The number of bytes; 0 at the end.

        Raises:
          EncodingError: the text is not in its encoding.
        """
        while not self._ready and not self._ended:
            content = self._stream.read(CHUNK_BYTES)
            self._ended = not content
            self._ready = self._recode(content, final=self._ended)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _recode(self, content: bytes, *, final: bool) -> bytes:
        if self._name in (UTF_8, UTF_8_WITH_MARK):
            return content
        try:
            recoded = self._decoder.decode(content, final).encode("utf-8", "replace")
        except UnicodeError as error:
            raise _error_of(
                error, content, self._name, first_line=self._lines, flag=FLAG
            ) from error
        self._lines += recoded.count(b"\n")
        return recoded
