"""From an image of any size to the square uint8 array that a record holds, and to PNG bytes."""

import io

import numpy as np
from PIL import Image


def pad_to_square(image: np.ndarray, *, size: int) -> np.ndarray:
    """Centres an image on a black square.

    Args:
      image: uint8 [H, W, C], with H and W at most `size`.
      size: side of the square in pixels.

    Returns:
      uint8 [size, size, C].
    """
    rows, columns = size - image.shape[0], size - image.shape[1]
    margins = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(image, margins)


def resize_to_square(image: np.ndarray, *, size: int) -> np.ndarray:
    """Resizes an image to a square with an anti-aliasing (Lanczos) filter.

    Args:
      image: uint8 [H, W, C], with 1 (grey) or 3 (RGB) channels.
      size: side of the square in pixels.

    Returns:
      uint8 [size, size, C].
    """
    picture = to_pillow(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(size, size, image.shape[2])


def to_pillow(image: np.ndarray) -> Image.Image:
    """Wraps a uint8 [H, W, C] array, with 1 or 3 channels, as a Pillow image."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def encode_png(image: np.ndarray) -> bytes:
    """Encodes a uint8 [H, W, C] array, with 1 or 3 channels, as PNG."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()
