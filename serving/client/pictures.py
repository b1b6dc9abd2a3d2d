"""Pictures as PNG bytes, PIL images or arrays, and grids of pictures."""

import dataclasses
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:  # PNG bytes need no Pillow; the other forms import it when called.
    from PIL.Image import Image

Form = Literal["png", "pil", "array"]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A generated picture.

    Attributes:
      png: bytes of the PNG file.
      seed: seed that generates the same picture again.
      unknown_words: words of the caption that the model does not know; 0 without captions.
      text: the caption that a joint model wrote; None for other models.
    """

    png: bytes
    seed: int
    unknown_words: int
    text: str | None = None

    def image(self) -> "Image":
        """The picture as a PIL image; needs Pillow."""
        from PIL import Image

        with Image.open(io.BytesIO(self.png)) as file:
            file.load()
            return file.copy()

    def array(self) -> np.ndarray:
        """The picture as uint8 [height, width, channels]; needs Pillow."""
        pixels = np.asarray(self.image())
        return pixels.reshape(*pixels.shape[:2], -1)

    def to(self, form: Form) -> Any:
        """The picture as `png` (bytes), `pil` (a PIL image) or `array` (uint8)."""
        if form == "png":
            return self.png
        return self.image() if form == "pil" else self.array()


def check_form(form: str) -> None:
    """Raises ValueError if `form` is not a known form of a picture."""
    if form not in get_args(Form):
        raise ValueError(f"form: must be one of {', '.join(get_args(Form))}, got {form!r}")


def grid(pictures: Sequence[Picture], *, columns: int) -> bytes:
    """Arranges pictures of one size in a grid, row by row; needs Pillow.

    Args:
      pictures: at least one picture.
      columns: pictures per row; white fills the free places of the last row.

    Returns:
      The bytes of a PNG file.
    """
    from PIL import Image

    images = [picture.image() for picture in pictures]
    width, height = images[0].size
    rows = -(-len(images) // columns)
    canvas = Image.new(images[0].mode, (columns * width, rows * height), "white")
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        canvas.paste(image, (column * width, row * height))
    content = io.BytesIO()
    canvas.save(content, "PNG")
    return content.getvalue()
