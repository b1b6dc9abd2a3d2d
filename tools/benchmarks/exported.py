"""A system with new weights as a SavedModel, loaded in this process."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Its ops are in the graphs of exports.

from tfgan2.adversarial.sampler import AnySampler
from tfgan2.export import saved_model
from tools.benchmarks import flops, timing
from tools.benchmarks.timing import Call

# By signature, what holds its pictures: PNG files, or uint8 [B, S, S, C].
PICTURES = {"generate": "image_bytes", "pixels": "image"}
SIGNATURE = "generate"
BATCH_SIZES = (4, 16, 64)
CHECKED_CAPTIONS = 2


class Exported:
    """An export that draws.

    Attributes:
      version: its folder.
      takes_captions: or else it draws of seeds alone.
    """

    def __init__(
        self,
        sampler: AnySampler,
        export_dir: pathlib.Path,
        *,
        captions: Sequence[str],
        seconds: float,
    ) -> None:
        """Exports and loads.

        Args:
          sampler: what draws.
          export_dir: absent.
          captions: to be drawn, in turn.
          seconds: that finding the best batch size takes.
        """
        self.captions, self._seconds = captions, seconds
        self.version = saved_model.export(
            sampler, export_dir, captions=captions[:CHECKED_CAPTIONS], card={}
        )
        self._loaded = tf.saved_model.load(str(self.version))
        self._inputs = self._signature(SIGNATURE).structured_input_signature[1]
        self.takes_captions = "caption" in self._inputs

    def drawer(self, rows: int, *, signature: str = SIGNATURE) -> Call:
        """Makes what draws so many pictures.

        Args:
          rows: pictures.
          signature: by which they are drawn: as PNG, or by `pixels` as uint8.
        """
        every = {
            "caption": tf.constant(
                [self.captions[row % len(self.captions)] for row in range(rows)]
            ),
            "seed": tf.range(rows, dtype=tf.int64),
            "truncation": tf.zeros([rows]),
        }
        asked = {name: every[name] for name in self._inputs}
        draw, pictures = self._signature(signature), PICTURES[signature]
        return lambda: draw(**asked)[pictures].numpy()

    def operations(self, rows: int, *, signature: str = SIGNATURE) -> int:
        """Counts the floating-point operations of drawing so many pictures by a signature.

        Raises:
          UncountableError: they cannot be counted.
        """
        return flops.count(self._signature(signature).graph, rows=rows)

    @functools.cached_property
    def best(self) -> tuple[int, float]:
        """The batch size at which it draws most, and how many images a second: the median."""
        share, best = self._seconds / len(BATCH_SIZES), (0, 0.0)
        for rows in BATCH_SIZES:
            took = timing.repeat(self.drawer(rows), seconds=share)
            best = max(best, (rows, rows / float(np.median(took))), key=lambda it: it[1])
        return best

    @property
    def told(self) -> str:
        """What that is, for results."""
        rows, rate = self.best
        return f"the SavedModel in one process, {rate:.1f} images/s at batch size {rows}"

    def _signature(self, name: str) -> Any:
        return self._loaded.signatures[name]
