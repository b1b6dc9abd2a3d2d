"""Training steps as the trainer takes them, with its batches or with one that is in memory."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.adversarial import steps
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.remedies import Turn
from tools.benchmarks import flops, timing
from tools.benchmarks.timing import Call


class Steps:
    """Steps of a game.

    Attributes:
      cycle: steps after which the game has done all that it does; each call takes so many.
      images: of a cycle.
    """

    def __init__(
        self, gan: GAN, batches: tf.data.Dataset, *, batch_size: int, seconds: float
    ) -> None:
        """Takes what plays.

        Args:
          gan: compiled.
          batches: as its steps take them, from the disk.
          batch_size: their rows.
          seconds: that measuring the demand takes.
        """
        self._gan, self._batches, self._seconds = gan, batches, seconds
        self._batch_size = batch_size
        rhythm = gan.rhythm
        self.cycle = math.lcm(rhythm.discriminator_steps, rhythm.penalty_every)
        self.images = self.cycle * batch_size

    @functools.cached_property
    def from_disk(self) -> Call:
        """Takes the steps of a cycle, with batches that are read meanwhile."""
        return self._caller(self._batches)

    @functools.cached_property
    def from_memory(self) -> Call:
        """Takes the steps of a cycle with the same batch, for which nothing is to be read."""
        return self._caller(self._one_batch)

    @functools.cached_property
    def demand(self) -> float:
        """Images a second that the steps would take if batches cost nothing: the median."""
        took = timing.repeat(self.from_memory, seconds=self._seconds)
        return self.images / float(np.median(took))

    def operations(self) -> int:
        """Counts the floating-point operations of a cycle.

        Raises:
          UncountableError: they cannot be counted.
        """
        turns = map(self._gan.rhythm.turn, range(self.cycle))
        return sum(flops.count(self._graph(turn), rows=self._batch_size) for turn in turns)

    @functools.cached_property
    def _one_batch(self) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(next(iter(self._batches))).repeat()

    def _caller(self, dataset: tf.data.Dataset) -> Call:
        take = self._gan.make_train_function()
        iterator: Iterator = iter(dataset)

        def call() -> None:
            for _ in range(self.cycle):
                parts = take(iterator)
            next(iter(parts.values())).numpy()

        return call

    def _graph(self, turn: Turn) -> tf.Graph:
        iterator = iter(self._one_batch)
        # Where all steps are alike, the graph is there already.
        alike = len(self._gan.rhythm.turns) == 1
        take: Any = self._gan.make_train_function() if alike else steps.make_one(self._gan, turn)
        return take.get_concrete_function(iterator).graph
