"""Training steps as the trainer runs them, with batches from the disk or one batch in memory."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.adversarial import train_function
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.schedule import Phase
from tools.benchmarks import flops, timing
from tools.benchmarks.timing import Call


class Steps:
    """Training steps of a compiled model.

    Attributes:
      cycle: steps until all phases of the update schedule have run; each call runs a cycle.
      images: images of a cycle.
    """

    def __init__(
        self, gan: GAN, batches: tf.data.Dataset, *, batch_size: int, seconds: float
    ) -> None:
        """Stores the arguments.

        Args:
          gan: compiled model.
          batches: batches from the disk, as the trainer reads them.
          batch_size: rows of a batch.
          seconds: seconds of measuring the demand.
        """
        self._gan, self._batches, self._seconds = gan, batches, seconds
        self._batch_size = batch_size
        schedule = gan.schedule
        self.cycle = math.lcm(schedule.discriminator_steps, schedule.penalty_every)
        self.images = self.cycle * batch_size

    @functools.cached_property
    def from_disk(self) -> Call:
        """Runs the steps of a cycle, with batches that are prefetched from the disk."""
        return self._caller(self._batches)

    @functools.cached_property
    def from_memory(self) -> Call:
        """Runs the steps of a cycle with the same batch, without input time."""
        return self._caller(self._one_batch)

    @functools.cached_property
    def demand(self) -> float:
        """Median images per second of the steps with a batch in memory."""
        times = timing.repeat(self.from_memory, seconds=self._seconds)
        return self.images / float(np.median(times))

    def operations(self) -> int:
        """Counts the floating-point operations of a cycle.

        Raises:
          UncountableError: the operations cannot be counted.
        """
        phases = map(self._gan.schedule.phase, range(self.cycle))
        return sum(flops.count(self._graph(phase), rows=self._batch_size) for phase in phases)

    @functools.cached_property
    def _one_batch(self) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(next(iter(self._batches))).repeat()

    def _caller(self, dataset: tf.data.Dataset) -> Call:
        step = self._gan.make_train_function()
        iterator: Iterator = iter(dataset)

        def call() -> None:
            for _ in range(self.cycle):
                logs = step(iterator)
            next(iter(logs.values())).numpy()

        return call

    def _graph(self, phase: Phase) -> tf.Graph:
        iterator = iter(self._one_batch)
        # If all steps have the same phase, their graph exists already.
        alike = len(self._gan.schedule.phases) == 1
        step: Any = (
            self._gan.make_train_function() if alike else train_function.make_one(self._gan, phase)
        )
        return step.get_concrete_function(iterator).graph
