"""What TensorBoard shows beside the losses: sheets, warnings, weights, evaluations."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfgan2.runs.directory import RunDirectory


class Board:
    """Event files of a run, opened when they are first written to.

    They lie beside those of the losses, not among them: TensorBoard leaves a file as soon as it
    sees a newer one.
    """

    def __init__(self, run: RunDirectory) -> None:
        """Opens nothing yet."""
        self._folder = run.tensorboard
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def picture(self, name: str, png: bytes, *, step: int) -> None:
        """Shows a PNG."""
        with self._writer("samples").as_default(step=step):
            tf.summary.image(name, tf.io.decode_png(png)[tf.newaxis])

    def text(self, name: str, text: str, *, step: int) -> None:
        """Shows a line of text."""
        with self._writer("warnings").as_default(step=step):
            tf.summary.text(name, text)

    def histograms(self, variables: Sequence[tf.Variable], *, step: int) -> None:
        """Shows how values are spread; variables of one name get numbers."""
        seen: dict[str, int] = {}
        with self._writer("weights").as_default(step=step):
            for variable in variables:
                name = variable.name.partition(":")[0]
                seen[name] = seen.get(name, 0) + 1
                number = "" if seen[name] == 1 else f"_{seen[name]}"
                tf.summary.histogram(name + number, variable)

    def metrics(self, metrics: Mapping[str, Mapping[str, Any]], *, step: int) -> None:
        """Adds a point to the curve of each metric of an evaluation."""
        with self._writer("evaluation").as_default(step=step):
            for name, result in metrics.items():
                tf.summary.scalar(name, result["value"])

    def close(self) -> None:
        """Ends the files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, name: str) -> tf.summary.SummaryWriter:
        if name not in self._writers:
            self._writers[name] = tf.summary.create_file_writer(str(self._folder / name))
        return self._writers[name]
