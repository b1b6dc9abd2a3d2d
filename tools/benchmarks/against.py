"""Times another implementation's training step beside ours; calls alternate on one machine.

The other implementation is a function `MODULE:FUNCTION`. It is called once, with the keyword
arguments `image_size` (pixels), `batch_size` (rows) and `precision` (`float32`, `mixed_bfloat16` or
`mixed_float16`), and returns a function without arguments that runs one training step and returns
when the step is done.
"""

import importlib
from collections.abc import Callable

from tfgan2.program import UsageError
from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.results import Rate, Result
from tools.benchmarks.timing import Call

FLAG = "--against"
MakeStep = Callable[..., Call]


def load(name: str, *, flag: str = FLAG) -> MakeStep:
    """Imports the function of another implementation.

    Args:
      name: `MODULE:FUNCTION`.
      flag: flag that gave the name, for error messages.

    Raises:
      UsageError: the function does not exist.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise UsageError(flag, "must be MODULE:FUNCTION", name)
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(flag, f"must be MODULE:FUNCTION ({error})", name) from error
    if not callable(found):
        raise UsageError(flag, "must name a function", name)
    return found


def measure(bench: Bench, make_step: MakeStep, *, name: str) -> list[Result]:
    """Times our training step, with a batch in memory, and the other one, in alternation.

    Args:
      bench: our system.
      make_step: makes the other implementation's step.
      name: name of the other implementation.

    Raises:
      UsageError: `make_step` returns no function.
    """
    recipe, steps = bench.recipe, bench.steps
    theirs = make_step(
        image_size=recipe.image_size, batch_size=recipe.batch_size, precision=recipe.precision
    )
    if not callable(theirs):
        raise UsageError(FLAG, "must return a function that takes a step", repr(theirs))

    def their_cycle() -> None:
        for _ in range(steps.cycle):
            theirs()

    times = timing.alternate([steps.from_memory, their_cycle], seconds=2 * bench.seconds)
    rates = [Rate.of_times(it, images=steps.images) for it in times]
    ratio, bound = bench.fraction_of_peak(
        rates[0], steps.operations, images=steps.images, precision=recipe.precision
    )
    ours = bench.result("against", rates[0], repetitions=len(times[0]), ratio=ratio, ratio_to=bound)
    our_seconds = recipe.batch_size / rates[0].median
    other = bench.result(
        "against",
        rates[1],
        repetitions=len(times[1]),
        ratio=rates[0].median / rates[1].median,
        ratio_to=f"the seconds of {ours.model}'s step, {our_seconds:.3f}",
        model=name,
    )
    return [ours, other]
