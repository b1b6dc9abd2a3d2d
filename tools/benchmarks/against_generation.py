"""Times another implementation's drawing beside ours, at the batch sizes of `generate`.

The other implementation is a function `MODULE:FUNCTION`. It is called for each batch size, with the
keyword arguments `image_size` (pixels), `batch_size` (rows) and `precision` (`float32`, the
precision of exports), and returns a function without arguments. This function draws a batch of
captions into a tensor of images, without files, and returns when the tensor is ready.
"""

import functools
from collections.abc import Callable

from tfgan2.program import UsageError
from tools.benchmarks import timing
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.generate import BATCH_SIZES
from tools.benchmarks.results import Rate, Result
from tools.benchmarks.timing import Call

FLAG = "--against_generation"
WHAT = "against_generation"
SIGNATURE = "pixels"
MakeDrawer = Callable[..., Call]


def measure(bench: Bench, make_drawer: MakeDrawer, *, name: str) -> list[Result]:
    """Times our export's `pixels` signature, without PNG, and the other one, in alternation.

    Args:
      bench: our system.
      make_drawer: makes the other implementation's function.
      name: name of the other implementation.

    Raises:
      UsageError: `make_drawer` returns no function.
    """
    measured = [_measure(bench, make_drawer, name=name, rows=rows) for rows in BATCH_SIZES]
    return [result for both in measured for result in both]


def _measure(bench: Bench, make_drawer: MakeDrawer, *, name: str, rows: int) -> list[Result]:
    theirs = make_drawer(
        image_size=bench.recipe.image_size, batch_size=rows, precision=SAMPLING_PRECISION
    )
    if not callable(theirs):
        raise UsageError(FLAG, "must return a function that draws a batch", repr(theirs))
    exported = bench.exported
    ours = exported.drawer(rows, signature=SIGNATURE)
    seconds = 2 * bench.seconds / len(BATCH_SIZES)
    times = timing.alternate([ours, theirs], seconds=seconds)
    our_rate, their_rate = (Rate.of_times(it, images=rows) for it in times)
    count = functools.partial(exported.operations, rows, signature=SIGNATURE)
    ratio, bound = bench.fraction_of_peak(
        our_rate, count, images=rows, precision=SAMPLING_PRECISION
    )
    result = functools.partial(
        bench.result,
        WHAT,
        repetitions=len(times[0]),
        rows=rows,
        precision=SAMPLING_PRECISION,
    )
    own = result(our_rate, ratio=ratio, ratio_to=f"{bound}; drawn by `{SIGNATURE}`, no PNG")
    other = result(
        their_rate,
        ratio=our_rate.median / their_rate.median,
        ratio_to=f"the seconds of {own.model}'s `{SIGNATURE}`, {rows / our_rate.median:.3f}",
        model=name,
    )
    return [own, other]
