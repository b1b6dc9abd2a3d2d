"""The order of the records in training, a function of seed and step."""

import functools
from collections.abc import Sequence

import numpy as np

# Shards whose records are shuffled together.
WINDOW_SHARDS = 8
# Random streams: different uses of (seed, epoch) draw different numbers.
RECORD_STREAM, SHARD_STREAM = 0, 1


class Order:
    """Endless order of the records of shards.

    In each epoch the shards are shuffled, and divided into windows of `WINDOW_SHARDS`; the records
    of a window are shuffled. So any step is found without the steps before, and neighbouring steps
    need the shards of one window, or of two windows at their border. At most
    `WINDOW_SHARDS` shards are one window: then the order is a permutation of all records.
    """

    def __init__(self, counts: Sequence[int], *, batch_size: int, seed: int) -> None:
        """Starts an order.

        Args:
          counts: records of each shard.
          batch_size: rows of a global batch.
          seed: seed of the order.
        """
        self._counts = np.array(counts, np.int64)
        self._ends = np.cumsum(self._counts)
        self._batch_size, self._seed = batch_size, seed
        # Parallel batches lie in at most two windows, of the same epoch or of two.
        self._shards = functools.lru_cache(maxsize=2)(self._shuffled_shards)
        self._starts = functools.lru_cache(maxsize=2)(self._window_starts)
        self._window = functools.lru_cache(maxsize=2)(self._shuffled_window)

    def rows(self, step: int) -> list[int]:
        """Returns the record indices of a step's global batch."""
        rows = []
        for at in range(step * self._batch_size, (step + 1) * self._batch_size):
            epoch, place = divmod(at, int(self._ends[-1]))
            starts = self._starts(epoch)
            window = int(np.searchsorted(starts, place, side="right")) - 1
            rows.append(int(self._window(epoch, window)[place - starts[window]]))
        return rows

    def _shuffled_shards(self, epoch: int) -> np.ndarray:
        generator = np.random.default_rng([SHARD_STREAM, self._seed, epoch])
        return generator.permutation(len(self._counts))

    def _window_starts(self, epoch: int) -> np.ndarray:
        """Returns the number of records before each window of an epoch."""
        ends = np.cumsum(self._counts[self._shards(epoch)])
        return np.concatenate([[0], ends[:-1]])[::WINDOW_SHARDS]

    def _shuffled_window(self, epoch: int, number: int) -> np.ndarray:
        """Returns the record indices of a window."""
        begin = number * WINDOW_SHARDS
        shards = sorted(self._shards(epoch)[begin : begin + WINDOW_SHARDS])
        spans = [np.arange(self._ends[it] - self._counts[it], self._ends[it]) for it in shards]
        # The only window of a split has no number.
        numbers = [number] if len(self._counts) > WINDOW_SHARDS else []
        generator = np.random.default_rng([RECORD_STREAM, self._seed, epoch, *numbers])
        return generator.permutation(np.concatenate(spans))
