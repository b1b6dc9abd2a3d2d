"""Runs the work of tools.prepare through Apache Beam: one machine, Dask, Flink, Spark, Dataflow."""

import dataclasses
import functools
import os
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

import serving.program
from serving.batch import runners
from tfgan2.data import conversion
from tfgan2.data.blocks import write_file
from tfgan2.data.engines import Staging
from tfgan2.data.sources import Part
from tfgan2.program import UsageError


@dataclasses.dataclass(frozen=True)
class BeamEngine:
    """An engine of tools.prepare, see `tfgan2.data.engines.Engine`.

    Attributes:
      options: options of Beam.
    """

    options: PipelineOptions

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "BeamEngine":
        """Makes an engine from options of Beam.

        Args:
          arguments: the options, as on a command line.

        Raises:
          UsageError: an option is not valid, or a Dask scheduler does not answer.
        """
        try:
            return cls(runners.parse(arguments))
        except serving.program.UsageError as error:
            raise _translated(error) from error

    def stage(self, parts: Iterable[Part], staging: Staging, *, total: int | None) -> int:
        """Converts each part in one task of a worker; returns the number of parts."""
        tasks = (_StageTask(staging, number, part) for number, part in enumerate(parts))
        return self._run(tasks, staging.blocks.folder)

    def run(self, tasks: Iterable[Callable[[], None]], *, folder: str) -> None:
        """Runs tasks on workers.

        Args:
          tasks: the tasks.
          folder: folder of unfinished files; all workers can access it.
        """
        self._run(tasks, folder)

    def _run(self, tasks: Iterable[Callable[[], None]], folder: str) -> int:
        """Runs tasks, and returns their number."""
        # Each task is a file: Beam would hold all tasks in memory.
        name, count = uuid.uuid4().hex, 0
        for task in tasks:
            write_file(_path(folder, name, count), pickle.dumps(task))
            count += 1
        try:
            build = functools.partial(_build, folder=folder, name=name, count=count)
            runners.run(build, self.options)
        except serving.program.UsageError as error:
            raise _translated(error) from error
        return count


@dataclasses.dataclass(frozen=True)
class _StageTask:
    """Converts a part, and writes a block."""

    staging: Staging
    number: int
    part: Part

    def __call__(self) -> None:
        self.staging(self.number, self._outcomes())

    def _outcomes(self) -> Iterator[conversion.Outcome]:
        for _, outcomes in conversion.convert([self.part], workers=1):
            yield from outcomes


def _build(pipeline: beam.Pipeline, *, folder: str, name: str, count: int) -> None:
    _ = (
        pipeline
        | "Numbers" >> beam.Create(range(count), reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "Run" >> beam.Map(_run_task, folder, name)
    )


def _run_task(number: int, folder: str, name: str) -> None:
    with tf.io.gfile.GFile(_path(folder, name, number), "rb") as file:
        task = pickle.loads(file.read())
    task()


def _path(folder: str, name: str, number: int) -> str:
    return os.path.join(folder, f"{name}-{number:08d}.task")


def _translated(error: Exception) -> UsageError:
    """Returns an error of the serving programs, `subject: rule, got value`, as one of tfgan2."""
    subject, _, text = str(error).partition(": ")
    rule, _, value = text.rpartition(", got ")
    return UsageError(subject, rule, value)
