"""How long calls take."""

import time
from collections.abc import Callable, Sequence

WARM_UP_CALLS = 2
FEWEST_CALLS = 3

Call = Callable[[], object]


def repeat(call: Call, *, seconds: float) -> list[float]:
    """Calls again and again for some seconds, at least three times, after two calls to warm up.

    Returns:
      The seconds that each call took.
    """
    return alternate([call], seconds=seconds)[0]


def alternate(calls: Sequence[Call], *, seconds: float) -> list[list[float]]:
    """Calls one after the other, again and again, so that whatever else runs slows down all alike.

    Args:
      calls: each returns when its work is done.
      seconds: for which all of them together are called, after two rounds to warm up.

    Returns:
      For each of the calls the seconds that it took, as often.
    """
    for _ in range(WARM_UP_CALLS):
        for call in calls:
            call()
    took: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(took[0]) < FEWEST_CALLS:
        for call, its in zip(calls, took, strict=True):
            began = time.perf_counter()
            call()
            its.append(time.perf_counter() - began)
    return took
