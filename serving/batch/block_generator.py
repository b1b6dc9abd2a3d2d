"""Draws blocks of rows with a model; if a block fails, draws each row separately."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from serving.batch.rows import Block, GeneratedBlock, Row, RowResult


class RowError(Exception):
    """A model cannot draw its inputs; a retry would fail too."""


class Model(Protocol):
    """A loaded model, or one behind a server."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Runs the signature `generate`.

        Raises:
          RowError: the model refuses a row.
        """


@dataclasses.dataclass(frozen=True)
class BlockGenerator:
    """Draws blocks with a constant batch size.

    Attributes:
      batch_size: rows per run; shorter blocks are padded.
      takes_captions: whether the model has a caption input.
      truncation: truncation of the latents, above 0 and at most 1; 0 is the model's default.
    """

    batch_size: int
    takes_captions: bool
    truncation: float

    def generate(self, model: Model, block: Block) -> GeneratedBlock:
        """Draws the rows without a problem; the other rows keep their problem."""
        wanted = [row for row in block.rows if row.problem is None]
        results: dict[str, RowResult] = {}
        try:
            if wanted:
                results = self._run(model, wanted)
        except RowError:
            for row in wanted:
                try:
                    results |= self._run(model, [row])
                except RowError as error:
                    results[row.id] = RowResult(problem=str(error))
        ordered = (results.get(row.id) or RowResult(problem=row.problem) for row in block.rows)
        return GeneratedBlock(block, tuple(ordered))

    def _run(self, model: Model, rows: Sequence[Row]) -> dict[str, RowResult]:
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
            row.id: RowResult(
                png=bytes(outputs["image_bytes"][place]),
                unknown_words=None if words is None else int(words[place]),
                text=None if texts is None else texts[place].decode("utf-8", "replace"),
            )
            for place, row in enumerate(rows)
        }
