"""Engines: where the work of tools.prepare runs. This one is a pool of processes."""

import contextlib
import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from tfgan2.data import conversion
from tfgan2.data.blocks import BlockFolder, CountWords
from tfgan2.data.sources import Part
from tfgan2.program import progress_bar


@dataclasses.dataclass(frozen=True)
class Staging:
    """The data that converts parts to blocks.

    Attributes:
      blocks: folder of the blocks.
      count_words: maps captions to the count of each word.
    """

    blocks: BlockFolder
    count_words: CountWords

    def __call__(self, number: int, outcomes: Iterable[conversion.Outcome]) -> None:
        """Writes the results of a part as a block."""
        self.blocks.write(number, outcomes, count_words=self.count_words)


class Engine(Protocol):
    """Runs the work in processes, on this machine or on others."""

    def stage(self, parts: Iterable[Part], staging: Staging, *, total: int | None) -> int:
        """Writes each part as a block of the same number; returns the number of parts.

        Args:
          parts: the parts of the source.
          staging: writes a block.
          total: number of items, for the progress; None: unknown.
        """

    def run(self, tasks: Iterable[Callable[[], None]], *, folder: str) -> None:
        """Runs tasks that write files, in any order.

        Args:
          tasks: the tasks; they can be pickled, and may run again if a worker is lost.
          folder: folder of unfinished files.
        """


@dataclasses.dataclass(frozen=True)
class Pool:
    """Converts in processes of this machine; all other work is done in this process.

    Attributes:
      processes: number of processes; 1: this process.
    """

    processes: int

    def stage(self, parts: Iterable[Part], staging: Staging, *, total: int | None) -> int:
        """See `Engine`."""
        count = 0
        with (
            contextlib.closing(conversion.convert(parts, workers=self.processes)) as converted,
            contextlib.closing(progress_bar(total=total, desc="convert", unit=" images")) as bar,
        ):
            for number, results in itertools.groupby(converted, key=operator.itemgetter(0)):
                staging(number, _outcomes(results, bar.update))
                count += 1
        return count

    def run(self, tasks: Iterable[Callable[[], None]], *, folder: str) -> None:
        """See `Engine`."""
        for task in tasks:
            task()


def _outcomes(
    results: Iterable[tuple[int, list[conversion.Outcome]]], advance: Callable[[int], object]
) -> Iterator[conversion.Outcome]:
    for _, outcomes in results:
        yield from outcomes
        advance(len(outcomes))
