"""Times the signature `generate` of the SavedModel in one process, relative to the peak."""

import functools

from tools.benchmarks import timing
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.results import Result

BATCH_SIZES = (16, 1)


def measure(bench: Bench) -> list[Result]:
    """Draws images of captions as PNG files in memory."""
    return [_measure(bench, rows) for rows in BATCH_SIZES]


def _measure(bench: Bench, rows: int) -> Result:
    seconds = bench.seconds / len(BATCH_SIZES)
    rates = timing.rates(bench.exported.drawer(rows), images=rows, seconds=seconds)
    count = functools.partial(bench.exported.operations, rows)
    bound = bench.peak_rate(count, images=rows, precision=SAMPLING_PRECISION)
    return bench.result("generate", rates, bound=bound, rows=rows, precision=SAMPLING_PRECISION)
