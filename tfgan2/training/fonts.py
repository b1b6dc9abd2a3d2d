"""Chooses fonts that have the characters of a text: Pillow's own font, or one of this machine."""

import functools
import importlib.util
import os
import pathlib
import unicodedata
from collections.abc import Iterable

from PIL import ImageFont

from tfgan2.program import warn

SIZE_PX = 12
FOLDERS = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    *("/Library/Fonts", "/System/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts"),
)
SUFFIXES = frozenset({".ttf", ".otf", ".ttc"})
# Beginnings of the names of fonts with many characters, in lower case.
PREFERRED = ("dejavusans.", "notosans-regular", "notosanscjk", "noto", "unifont", "arial")
UNASSIGNED = "\U0010ffff"
# These fonts draw a box with the name of its script for every character.
LAST_RESORT = "lastresort"
SHOWN = 10


def of_text(text: str) -> ImageFont.FreeTypeFont:
    """Returns Pillow's font or, if that lacks a character, the font that lacks the fewest."""
    return _with(_visible(text))[0]


def warn_of_missing(texts: Iterable[str]) -> None:
    """Warns of the characters that no font has, once for the same characters."""
    _warn_once(frozenset().union(*(_with(_visible(text))[1] for text in texts)))


@functools.cache
def _warn_once(lacking: frozenset[str]) -> None:
    if lacking:
        shown = " ".join(sorted(lacking)[:SHOWN])
        warn(f"sample grids: no font of this machine has {shown} (the Noto fonts have them)")


def _visible(text: str) -> frozenset[str]:
    return frozenset(it for it in text if unicodedata.category(it)[0] in "LNPS")


@functools.cache
def _with(characters: frozenset[str]) -> tuple[ImageFont.FreeTypeFont, frozenset[str]]:
    """Returns the font that lacks the fewest characters, and these characters."""
    best, lacking = default(), _lacking(default(), characters)
    for path in files() if lacking else ():
        try:
            font = ImageFont.truetype(path, SIZE_PX)
            fewer = _lacking(font, characters)
        except OSError:  # A font of a form that Pillow does not read.
            continue
        if len(fewer) < len(lacking):
            best, lacking = font, fewer
        if not lacking:
            break
    return best, lacking


@functools.cache
def default() -> ImageFont.FreeTypeFont:
    """Pillow's own font, which has Latin letters."""
    font = ImageFont.load_default(size=SIZE_PX)
    assert isinstance(font, ImageFont.FreeTypeFont)  # The font of a given size.
    return font


@functools.cache
def files() -> tuple[str, ...]:
    """Paths of the fonts of this machine and of matplotlib, fonts with many characters first."""
    folders = [pathlib.Path(folder).expanduser() for folder in FOLDERS]
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin is not None:
        folders.append(pathlib.Path(matplotlib.origin).parent / "mpl-data/fonts/ttf")
    found = [
        os.path.join(folder, name)
        for root in folders
        for folder, _, names in os.walk(root)
        for name in sorted(names)
        if pathlib.Path(name).suffix.lower() in SUFFIXES
        and not name.lower().startswith(LAST_RESORT)
    ]
    return tuple(sorted(found, key=_rank))


def _rank(path: str) -> tuple[int, str]:
    name = os.path.basename(path).lower()
    ranks = [rank for rank, start in enumerate(PREFERRED) if name.startswith(start)]
    return min(ranks, default=len(PREFERRED)), name


def _lacking(font: ImageFont.FreeTypeFont, characters: frozenset[str]) -> frozenset[str]:
    """The characters that a font draws like a character that no font has."""
    absent = _drawn(font, UNASSIGNED)
    return frozenset(it for it in characters if _drawn(font, it) == absent)


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
