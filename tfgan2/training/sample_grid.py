"""Draws sample grids of fixed seeds, and the animation of all grids of a run."""

import io
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfgan2.data.images import to_pillow

GAP_PX = 4
TEXT_HEIGHT_PX = 16
SMALLEST_SIDE_PX = 48
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
    font = ImageFont.load_default(size=12)

    def write(position: tuple[int, int], text: str, most_px: int) -> None:
        text = " ".join(text.split())
        while draw.textlength(text, font) > most_px:
            text = text[:-2].rstrip() + "…"
        draw.text(position, text, INK, font)

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
