"""Sample sheets: a row for each caption, a column for each seed, the caption printed above."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfgan2.data.images import to_pillow

GAP_PX = 4
TEXT_HEIGHT_PX = 16
SMALLEST_SIDE_PX = 48
BACKGROUND, INK = (255, 255, 255), (32, 32, 32)


def sheet(images: np.ndarray, captions: Sequence[str], seeds: Sequence[int]) -> bytes:
    """Draws a sheet.

    Args:
      images: uint8 [captions, seeds, S, S, C].
      captions: printed above their rows, cut to the width of the sheet.
      seeds: printed above their columns.

    Returns:
      PNG bytes; small images are enlarged by a whole number.
    """
    zoom = max(1, -(-SMALLEST_SIDE_PX // images.shape[2]))
    side = images.shape[2] * zoom
    width = GAP_PX + len(seeds) * (side + GAP_PX)
    row_height = TEXT_HEIGHT_PX + side + GAP_PX
    picture = Image.new("RGB", (width, TEXT_HEIGHT_PX + len(captions) * row_height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=12)
    for column, seed in enumerate(seeds):
        draw.text((GAP_PX + column * (side + GAP_PX), 1), f"seed {seed}", INK, font)
    for row, caption in enumerate(captions):
        top = TEXT_HEIGHT_PX + row * row_height
        text = " ".join(caption.split())
        while draw.textlength(text, font) > width - 2 * GAP_PX:
            text = text[:-2].rstrip() + "…"
        draw.text((GAP_PX, top), text, INK, font)
        for column in range(len(seeds)):
            tile = to_pillow(images[row, column]).convert("RGB")
            tile = tile.resize((side, side), Image.Resampling.NEAREST)
            picture.paste(tile, (GAP_PX + column * (side + GAP_PX), top + TEXT_HEIGHT_PX))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
