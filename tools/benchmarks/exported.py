"""A system with new weights, exported as a SavedModel and loaded in this process."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers ops that exported graphs use.

from tfgan2.adversarial.sampler import AnySampler
from tfgan2.export import saved_model
from tools.benchmarks import flops, timing
from tools.benchmarks.timing import Call

# Output of each signature that holds the images: PNG files, or uint8 [B, S, S, C].
PICTURES = {"generate": "image_bytes", "pixels": "image"}
SIGNATURE = "generate"
BATCH_SIZES = (4, 16, 64)
CHECKED_CAPTIONS = 2


class Exported:
    """An export that draws images.

    Attributes:
      version: folder of the version.
      reads_captions: whether the model reads captions; else it draws from seeds only.
    """

    def __init__(
        self,
        sampler: AnySampler,
        export_dir: pathlib.Path,
        *,
        captions: Sequence[str],
        seconds: float,
    ) -> None:
        """Exports the sampler and loads the export.

        Args:
          sampler: sampler to export.
          export_dir: absent folder.
          captions: captions to draw, in rotation.
          seconds: seconds of the search for the best batch size.
        """
        self.captions, self._seconds = captions, seconds
        self.version = saved_model.export(
            sampler, export_dir, captions=captions[:CHECKED_CAPTIONS], card={}
        )
        self._loaded = tf.saved_model.load(str(self.version))
        self._inputs = self._signature(SIGNATURE).structured_input_signature[1]
        self.reads_captions = "caption" in self._inputs

    def drawer(self, rows: int, *, signature: str = SIGNATURE) -> Call:
        """Makes a function that draws a batch.

        Args:
          rows: images per batch.
          signature: `generate` for PNG files, `pixels` for uint8.
        """
        every = {
            "caption": tf.constant(
                [self.captions[row % len(self.captions)] for row in range(rows)]
            ),
            "seed": tf.range(rows, dtype=tf.int64),
            "truncation": tf.zeros([rows]),
        }
        inputs = {name: every[name] for name in self._inputs}
        draw, pictures = self._signature(signature), PICTURES[signature]
        return lambda: draw(**inputs)[pictures].numpy()

    def operations(self, rows: int, *, signature: str = SIGNATURE) -> int:
        """Counts the floating-point operations of a batch of `rows` images.

        Raises:
          UncountableError: the operations cannot be counted.
        """
        return flops.count(self._signature(signature).graph, rows=rows)

    @functools.cached_property
    def best(self) -> tuple[int, float]:
        """Batch size of the highest rate, and its median rate in images per second."""
        seconds, best = self._seconds / len(BATCH_SIZES), (0, 0.0)
        for rows in BATCH_SIZES:
            times = timing.repeat(self.drawer(rows), seconds=seconds)
            best = max(best, (rows, rows / float(np.median(times))), key=lambda it: it[1])
        return best

    @property
    def description(self) -> str:
        """Description of the best rate, for results."""
        rows, rate = self.best
        return f"the SavedModel in one process, {rate:.1f} images/s at batch size {rows}"

    def _signature(self, name: str) -> Any:
        return self._loaded.signatures[name]
