"""Measures the wall time of calls."""

import time
from collections.abc import Callable, Sequence

WARM_UP_CALLS = 2
FEWEST_CALLS = 3

Call = Callable[[], object]


def repeat(call: Call, *, seconds: float) -> list[float]:
    """Calls for some seconds, at least three times, after two warm-up calls.

    Returns:
      Seconds of each call.
    """
    return alternate([call], seconds=seconds)[0]


def rates(call: Call, *, images: int, seconds: float) -> list[float]:
    """Calls like `repeat`; returns the images per second of each call, which makes `images`."""
    return [images / it for it in repeat(call, seconds=seconds)]


def alternate(calls: Sequence[Call], *, seconds: float) -> list[list[float]]:
    """Calls the functions in alternation, so that other load on the machine slows all alike.

    Args:
      calls: functions that return when their work is done.
      seconds: total seconds of all calls, after two warm-up rounds.

    Returns:
      Seconds of each call, per function; all functions have the same number of calls.
    """
    for _ in range(WARM_UP_CALLS):
        for call in calls:
            call()
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < FEWEST_CALLS:
        for call, seconds_of_call in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            seconds_of_call.append(time.perf_counter() - began)
    return times
