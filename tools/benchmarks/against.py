"""Times another implementation beside ours; calls alternate on one machine.

The other implementation is a function `MODULE:FUNCTION`. It is called with the keyword arguments
`image_size` (pixels), `batch_size` (rows) and `precision` (`float32`, `mixed_bfloat16` or
`mixed_float16`), and returns a function without arguments that returns when its work is done.
The work of --against is one training step. The work of --against_generation is drawing a batch of
captions into a tensor of images, without files, in `float32`, the precision of exports; here
`MODULE:FUNCTION` is called for each batch size of `generate`.
"""

import dataclasses
import functools
import importlib
from collections.abc import Callable

from tfgan2.program import UsageError
from tools.benchmarks import timing
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.generate import BATCH_SIZES
from tools.benchmarks.results import Result
from tools.benchmarks.timing import Call

SIGNATURE = "pixels"
Make = Callable[..., Call]


def load(name: str, *, what: str) -> Make:
    """Imports the function of another implementation.

    Args:
      name: `MODULE:FUNCTION`.
      what: name in MEASURES; also the flag that gave the name, for error messages.

    Raises:
      UsageError: the function does not exist.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise UsageError(f"--{what}", "must be MODULE:FUNCTION", name)
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"--{what}", f"must be MODULE:FUNCTION ({error})", name) from error
    if not callable(found):
        raise UsageError(f"--{what}", "must name a function", name)
    return found


def measure_training(bench: Bench, make: Make, *, name: str) -> list[Result]:
    """Times our training step, with a batch in memory, and the other one, in alternation.

    Args:
      bench: our system.
      make: makes the other implementation's step.
      name: name of the other implementation.

    Raises:
      UsageError: `make` returns no function.
    """
    recipe, steps = bench.recipe, bench.steps
    step = make(
        image_size=recipe.image_size, batch_size=recipe.batch_size, precision=recipe.precision
    )
    if not callable(step):
        raise UsageError("--against", "must return a function that takes a step", repr(step))

    def their_cycle() -> None:
        for _ in range(steps.cycle):
            step()

    times = timing.alternate([steps.from_memory, their_cycle], seconds=2 * bench.seconds)
    bound = bench.peak_rate(steps.operations, images=steps.images, precision=recipe.precision)
    result = functools.partial(bench.result, "against")
    return _results(result, times, images=steps.images, bound=bound, work="step", name=name)


def measure_generation(bench: Bench, make: Make, *, name: str) -> list[Result]:
    """Times our export's `pixels` signature, without PNG, and the other one, in alternation.

    Args:
      bench: our system.
      make: makes the other implementation's function.
      name: name of the other implementation.

    Raises:
      UsageError: `make` returns no function.
    """
    results = []
    for rows in BATCH_SIZES:
        image_size = bench.recipe.image_size
        draw = make(image_size=image_size, batch_size=rows, precision=SAMPLING_PRECISION)
        if not callable(draw):
            rule = "must return a function that draws a batch"
            raise UsageError("--against_generation", rule, repr(draw))
        calls = [bench.exported.drawer(rows, signature=SIGNATURE), draw]
        times = timing.alternate(calls, seconds=2 * bench.seconds / len(BATCH_SIZES))
        count = functools.partial(bench.exported.operations, rows, signature=SIGNATURE)
        peak, text = bench.peak_rate(count, images=rows, precision=SAMPLING_PRECISION)
        bound = (peak, f"{text}; drawn by `{SIGNATURE}`, no PNG")
        result = functools.partial(
            bench.result, "against_generation", rows=rows, precision=SAMPLING_PRECISION
        )
        work = f"`{SIGNATURE}`"
        results += _results(result, times, images=rows, bound=bound, work=work, name=name)
    return results


MEASURES = {"against": measure_training, "against_generation": measure_generation}


def _results(
    result: Callable[..., Result],
    times: list[list[float]],
    *,
    images: int,
    bound: tuple[float | None, str],
    work: str,
    name: str,
) -> list[Result]:
    """Makes our result, and the other one's with its seconds relative to ours."""
    rates, other_rates = ([images / seconds for seconds in calls] for calls in times)
    ours = result(rates, bound=bound)
    seconds = ours.batch_size / ours.images_per_second.median
    text = f"the seconds of {ours.model}'s {work}, {seconds:.3f}"
    other = result(other_rates, bound=(None, text), model=name)
    ratio = ours.images_per_second.median / other.images_per_second.median
    return [ours, dataclasses.replace(other, ratio=ratio)]
