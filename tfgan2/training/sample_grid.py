"""Draws sample grids of fixed seeds, and the animation of all grids of a run."""

import bisect
import io
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from tfgan2.data.images import to_pillow
from tfgan2.training import fonts

GAP_PX = 4
TEXT_HEIGHT_PX = 16
SMALLEST_SIDE_PX = 48
# No text of a grid has room for more characters.
MOST_CHARACTERS = 1000
BACKGROUND, INK = (255, 255, 255), (32, 32, 32)
MOST_FRAMES, FRAME_MS, LAST_FRAME_MS = 100, 200, 3000


def grid(
    images: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str] = (),
    texts: Sequence[str] | None = None,
) -> bytes:
    """Draws a sample grid.

    Args:
      images: uint8 [rows, columns, S, S, C].
      rows: row titles, printed above each row, cut to the width of the grid.
      columns: column titles, cut to the width of an image.
      texts: texts below the images, in row-major order, cut to the width of an image.

    Returns:
      PNG bytes; images below 48 px are enlarged by an integer factor.
    """
    zoom = max(1, -(-SMALLEST_SIDE_PX // images.shape[2]))
    side = images.shape[2] * zoom
    width = GAP_PX + images.shape[1] * (side + GAP_PX)
    below = TEXT_HEIGHT_PX if texts is not None else 0
    above = TEXT_HEIGHT_PX if columns else 0
    row_height = TEXT_HEIGHT_PX + side + below + GAP_PX
    picture = Image.new("RGB", (width, above + len(rows) * row_height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    ascent_px, _ = fonts.default().getmetrics()
    fonts.warn_of_missing(it[:MOST_CHARACTERS] for it in (*rows, *columns, *(texts or ())))

    def write(position: tuple[int, int], text: str, most_px: int) -> None:
        text = " ".join(text.split())
        font = fonts.of_text(text[:MOST_CHARACTERS])
        shown = cut(text, most_px, lambda it: draw.textlength(it, font))
        # Fonts differ in their height: the base lines of all texts are alike.
        draw.text((position[0], position[1] + ascent_px), shown, INK, font, anchor="ls")

    for column, text in enumerate(columns):
        write((GAP_PX + column * (side + GAP_PX), 1), text, side)
    for row, text in enumerate(rows):
        top = above + row * row_height
        write((GAP_PX, top), text, width - 2 * GAP_PX)
        for column in range(images.shape[1]):
            tile = to_pillow(images[row, column]).convert("RGB")
            tile = tile.resize((side, side), Image.Resampling.NEAREST)
            left = GAP_PX + column * (side + GAP_PX)
            picture.paste(tile, (left, top + TEXT_HEIGHT_PX))
            if texts is not None:
                position = (left, top + TEXT_HEIGHT_PX + side)
                write(position, texts[row * images.shape[1] + column], side)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def cut(text: str, most_px: float, length_px: Callable[[str], float]) -> str:
    """Cuts a text to a length; an ellipsis stands for the rest.

    Args:
      text: the text.
      most_px: greatest length in px.
      length_px: gives the length of a text.
    """
    if length_px(text[:MOST_CHARACTERS]) <= most_px and len(text) <= MOST_CHARACTERS:
        return text
    # The search measures few texts, and none that is much longer than the result.
    beginnings = range(min(len(text), MOST_CHARACTERS))
    fitting = bisect.bisect_right(
        beginnings, most_px, key=lambda count: length_px(text[:count].rstrip() + "…")
    )
    return text[: max(0, fitting - 1)].rstrip() + "…"


def animation(grids: Sequence[pathlib.Path]) -> bytes:
    """Makes an animation of at most 100 grids, evenly chosen.

    Args:
      grids: PNG files of the same size, at least one.

    Returns:
      GIF bytes; 200 ms per frame, 3 s for the last.
    """
    count = min(len(grids), MOST_FRAMES)
    last = len(grids) - 1
    chosen = [grids[round(at * last / max(1, count - 1))] for at in range(count)]
    frames = []
    for path in chosen:
        with Image.open(path) as picture:
            frames.append(picture.convert("P", palette=Image.Palette.ADAPTIVE))
    buffer = io.BytesIO()
    durations = [FRAME_MS] * (count - 1) + [LAST_FRAME_MS]
    frames[0].save(
        buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    return buffer.getvalue()
