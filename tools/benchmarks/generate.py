"""Times the signature `generate` of the SavedModel in one process, relative to the peak."""

import functools

from tools.benchmarks import timing
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.results import Result

BATCH_SIZES = (16, 1)


def measure(bench: Bench) -> list[Result]:
    """Draws images of captions as PNG files in memory."""
    results, precision = [], SAMPLING_PRECISION
    for rows in BATCH_SIZES:
        seconds = bench.seconds / len(BATCH_SIZES)
        rates = timing.rates(bench.exported.drawer(rows), images=rows, seconds=seconds)
        count = functools.partial(bench.exported.operations, rows)
        bound = bench.peak_rate(count, images=rows, precision=precision)
        results.append(bench.result("generate", rates, bound=bound, rows=rows, precision=precision))
    return results
