"""Another implementation for tools.benchmark --against and --against_generation."""

from collections.abc import Callable


def make_step(*, image_size: int, batch_size: int, precision: str) -> Callable[[], int]:
    assert (image_size, batch_size, precision) == (32, 8, "float32")
    return lambda: sum(range(100_000))


def make_drawer(*, image_size: int, batch_size: int, precision: str) -> Callable[[], int]:
    assert batch_size in (16, 1)
    assert (image_size, precision) == (32, "float32")
    return lambda: sum(range(10_000 * batch_size))


def make_nothing(**_: object) -> None:
    """Returns None, which cannot be called."""


NO_FUNCTION = 1
