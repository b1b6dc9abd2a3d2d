"""Pictures that a notebook shows: one, or several as a sheet."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
from typing import SupportsIndex, overload

import numpy as np
from PIL import Image

from tfgan2.program import write_file

SHEET_COLUMNS = 8


@dataclasses.dataclass(frozen=True)
class Picture:
    """A generated picture; a notebook shows the picture itself.

    Attributes:
      png: bytes of the PNG file.
      seed: seed that generates the same picture again.
      unknown_words: words of the caption that the model does not know; 0 without captions.
      text: the caption that a joint model wrote; None for other models.
      caption: the given caption; None for an unconditional model.
    """

    png: bytes = dataclasses.field(repr=False)
    seed: int
    unknown_words: int
    text: str | None = None
    caption: str | None = None

    def image(self) -> Image.Image:
        """The picture as a PIL image."""
        with Image.open(io.BytesIO(self.png)) as file:
            return file.copy()

    def array(self) -> np.ndarray:
        """The picture as uint8 [height, width, channels]."""
        pixels = np.asarray(self.image())
        return pixels.reshape(*pixels.shape[:2], -1)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the PNG file, completely or not at all; creates the folder if absent.

        Raises:
          ValueError: the path does not end with .png.
        """
        write_file(_png_path(path), self.png)

    def _repr_png_(self) -> bytes:
        return self.png


class Pictures(list[Picture]):
    """A list of pictures of one size; a notebook shows the pictures as one sheet."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> Pictures: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Picture | Pictures:
        """One picture, or the pictures of a slice."""
        if isinstance(index, slice):
            return Pictures(super().__getitem__(index))
        return super().__getitem__(index)

    def image(self, *, columns: int = SHEET_COLUMNS) -> Image.Image:
        """The sheet as a PIL image, row by row; white fills the rest of the last row.

        Args:
          columns: most pictures per row.

        Raises:
          ValueError: there is no picture, or `columns` is below 1.
        """
        if not self:
            raise ValueError("pictures: must be at least one for a sheet, got none")
        if columns < 1:
            raise ValueError(f"columns: must be at least 1, got {columns}")
        images = [picture.image() for picture in self]
        columns = min(columns, len(images))
        width, height = images[0].size
        rows = -(-len(images) // columns)
        sheet = Image.new(images[0].mode, (columns * width, rows * height), "white")
        for position, image in enumerate(images):
            row, column = divmod(position, columns)
            sheet.paste(image, (column * width, row * height))
        return sheet

    def sheet(self, *, columns: int = SHEET_COLUMNS) -> bytes:
        """The bytes of the sheet's PNG file; see `image`."""
        content = io.BytesIO()
        self.image(columns=columns).save(content, "PNG")
        return content.getvalue()

    def save(self, path: str | os.PathLike, *, columns: int = SHEET_COLUMNS) -> None:
        """Writes the sheet as a PNG file; see `Picture.save` and `image`."""
        write_file(_png_path(path), self.sheet(columns=columns))

    def _repr_png_(self) -> bytes | None:
        return self.sheet() if self else None


def _png_path(path: str | os.PathLike) -> pathlib.Path:
    target = pathlib.Path(path)
    if target.suffix.lower() != ".png":
        rule = "must end with .png (image().save(path) writes other formats)"
        raise ValueError(f"path: {rule}, got {target}")
    return target
