"""Columns and rows of tables of captions."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Columns:
    """Names of the columns to read: of each, the first name that a table has.

    Attributes:
      image: names of the column of image names.
      caption: names of the column of captions.
    """

    image: tuple[str, ...]
    caption: tuple[str, ...]

    def choose(self, found: Iterable[str]) -> tuple[str, str] | None:
        """Returns the columns of image and caption; None if one of them is not among `found`."""
        names = set(found)
        image = next((name for name in self.image if name in names), None)
        caption = next((name for name in self.caption if name in names and name != image), None)
        return None if image is None or caption is None else (image, caption)


@dataclasses.dataclass(frozen=True)
class Cells:
    """Cells of one row: the name of an image, and its caption or captions."""

    image: str
    captions: object


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: the name of an image, and its captions."""

    image: str
    captions: tuple[object, ...]


class ColumnsError(Exception):
    """A table without the wanted columns.

    Attributes:
      found: names of its columns.
    """

    def __init__(self, found: Iterable[str]) -> None:
        """Stores the names of the columns."""
        self.found = list(found)
        super().__init__(", ".join(self.found))
