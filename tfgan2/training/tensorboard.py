"""TensorBoard writer for sample grids, warnings, weights and evaluations."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfgan2.runs.directory import RunDirectory
from tfgan2.training.optional_output import event_file, optional_output


class TensorBoardWriter:
    """Event files of a run; each file is opened at its first write.

    The files have folders of their own: TensorBoard stops reading an event file of a folder as
    soon as the folder has a newer one, so they must not lie beside the event files of the losses.
    """

    def __init__(self, run: RunDirectory) -> None:
        """Opens no file yet."""
        self._folder = run.tensorboard
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def picture(self, name: str, png: bytes, *, step: int) -> None:
        """Writes a PNG image."""
        with self._writing("samples", step):
            tf.summary.image(name, tf.io.decode_png(png)[tf.newaxis])

    def text(self, name: str, text: str, *, step: int) -> None:
        """Writes a line of text."""
        with self._writing("warnings", step):
            tf.summary.text(name, text)

    def histograms(self, variables: Sequence[tf.Variable], *, step: int) -> None:
        """Writes a histogram per variable; variables of the same name get numbers."""
        counts: dict[str, int] = {}
        with self._writing("weights", step):
            for variable in variables:
                name = variable.name.partition(":")[0]
                counts[name] = counts.get(name, 0) + 1
                number = "" if counts[name] == 1 else f"_{counts[name]}"
                tf.summary.histogram(name + number, variable)

    def metrics(self, metrics: Mapping[str, Mapping[str, Any]], *, step: int) -> None:
        """Writes a scalar per metric of an evaluation."""
        with self._writing("evaluation", step):
            for name, result in metrics.items():
                tf.summary.scalar(name, result["value"])

    def close(self) -> None:
        """Closes the event files."""
        for name, writer in self._writers.items():
            with optional_output(f"the event file {name}"):
                writer.close()

    @contextlib.contextmanager
    def _writing(self, name: str, step: int) -> Iterator[None]:
        if name not in self._writers:
            self._writers[name] = event_file(self._folder / name)
        with optional_output(f"the event file {name}"), self._writers[name].as_default(step=step):
            yield
