"""Draws blocks of rows with a model; if a block fails, draws each row separately."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from serving.batch.job import Job
from serving.batch.rows import Block, Row, RowResult


class RowError(Exception):
    """A model cannot draw its inputs; a retry would fail too."""


class Model(Protocol):
    """A loaded model, or one behind a server."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Runs the signature `generate`.

        Raises:
          RowError: the model refuses a row.
        """


def generate(job: Job, model: Model, block: Block) -> tuple[RowResult, ...]:
    """Draws the rows without a problem; the other rows keep their problem.

    Args:
      job: the job of the block.
      model: draws batches of the constant size; shorter blocks are padded.
      block: rows of the job.

    Returns:
      A result per row.
    """
    wanted = [row for row in block.rows if row.problem is None]
    results: dict[str, RowResult] = {}
    try:
        if wanted:
            results = _run(job, model, wanted)
    except RowError:
        for row in wanted:
            try:
                results |= _run(job, model, [row])
            except RowError as error:
                results[row.id] = RowResult(problem=str(error))
    return tuple(results.get(row.id) or RowResult(problem=row.problem) for row in block.rows)


def _run(job: Job, model: Model, rows: Sequence[Row]) -> dict[str, RowResult]:
    batch_size = job.options.batch_size
    padding = batch_size - len(rows)
    inputs: dict[str, np.ndarray] = {
        "seed": np.array([row.seed for row in rows] + [0] * padding, np.int64),
        "truncation": np.full(batch_size, job.options.truncation, np.float32),
    }
    if job.has_captions:
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
