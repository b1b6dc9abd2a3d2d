"""Times the signature `generate` of the SavedModel in one process, relative to the peak."""

import functools

from tools.benchmarks import timing
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.results import Rate, Result

BATCH_SIZES = (16, 1)


def measure(bench: Bench) -> list[Result]:
    """Draws images of captions as PNG files in memory."""
    return [_measure(bench, rows) for rows in BATCH_SIZES]


def _measure(bench: Bench, rows: int) -> Result:
    times = timing.repeat(bench.exported.drawer(rows), seconds=bench.seconds / len(BATCH_SIZES))
    rate = Rate.of_times(times, images=rows)
    count = functools.partial(bench.exported.operations, rows)
    ratio, bound = bench.fraction_of_peak(rate, count, images=rows, precision=SAMPLING_PRECISION)
    return bench.result(
        "generate",
        rate,
        repetitions=len(times),
        ratio=ratio,
        ratio_to=bound,
        rows=rows,
        precision=SAMPLING_PRECISION,
    )
