"""Rows into a model and drawings out of it: a block at once, its rows alone where that fails."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from serving.batch.rows import Block, Drawing, DrawnBlock, Row


class RowError(Exception):
    """A model cannot draw what it was given; it would be so again."""


class Model(Protocol):
    """A loaded model, or one behind a server."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Runs the signature `generate`.

        Raises:
          RowError: it is one of the rows.
        """


@dataclasses.dataclass(frozen=True)
class Painter:
    """Draws blocks, always as many rows at a time.

    Attributes:
      batch_size: rows; those that a block lacks are filled up.
      takes_captions: of the model.
      truncation: of the latents; 0 is the model's.
    """

    batch_size: int
    takes_captions: bool
    truncation: float

    def draw(self, model: Model, block: Block) -> DrawnBlock:
        """Draws the rows of a block that can be drawn; the others keep their problem."""
        wanted = [row for row in block.rows if row.problem is None]
        drawings: dict[str, Drawing] = {}
        try:
            if wanted:
                drawings = self._draw(model, wanted)
        except RowError:
            for row in wanted:
                try:
                    drawings |= self._draw(model, [row])
                except RowError as error:
                    drawings[row.id] = Drawing(problem=str(error))
        told = (drawings.get(row.id) or Drawing(problem=row.problem) for row in block.rows)
        return DrawnBlock(block, tuple(told))

    def _draw(self, model: Model, rows: Sequence[Row]) -> dict[str, Drawing]:
        padding = self.batch_size - len(rows)
        inputs: dict[str, np.ndarray] = {
            "seed": np.array([row.seed for row in rows] + [0] * padding, np.int64),
            "truncation": np.full(self.batch_size, self.truncation, np.float32),
        }
        if self.takes_captions:
            inputs["caption"] = np.array([row.caption for row in rows] + [b""] * padding, object)
        outputs = model(inputs)
        words, texts = outputs.get("unknown_words"), outputs.get("text")
        return {
            row.id: Drawing(
                png=bytes(outputs["image_bytes"][place]),
                unknown_words=None if words is None else int(words[place]),
                text=None if texts is None else texts[place].decode("utf-8", "replace"),
            )
            for place, row in enumerate(rows)
        }
