"""Another implementation's step, as tools.benchmark --against takes it."""

from collections.abc import Callable


def make_step(*, image_size: int, batch_size: int, precision: str) -> Callable[[], int]:
    assert (image_size, batch_size, precision) == (32, 8, "float32")
    return lambda: sum(range(100_000))


def make_nothing(**_: object) -> None:
    """Returns no step."""


NO_FUNCTION = 1
