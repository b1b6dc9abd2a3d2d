"""Another implementation's step, as tools.benchmark --against takes it."""

import time
from collections.abc import Callable

SECONDS = 0.002


def make_step(*, image_size: int, batch_size: int, precision: str) -> Callable[[], None]:
    assert (image_size, batch_size, precision) == (32, 8, "float32")
    return lambda: time.sleep(SECONDS)


def make_nothing(**_: object) -> None:
    """Returns no step."""


NO_FUNCTION = 1
