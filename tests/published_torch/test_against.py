"""The PyTorch programs for comparisons of times run one step per call."""

from collections.abc import Callable

import pytest

from tests.published_torch import against


@pytest.mark.torch
@pytest.mark.parametrize("start", [against.df_gan, against.df_gan_generation])
def test_program_runs_one_step_per_call(start: Callable[..., against.Program]) -> None:
    program = start(image_size=32, batch_size=2, precision="float32")
    for _ in range(2):
        program()
    program.end()


@pytest.mark.torch
def test_unsupported_options_are_an_error() -> None:
    program = against.df_gan_generation(image_size=32, batch_size=2, precision="mixed_bfloat16")
    with pytest.raises(RuntimeError, match=r"df_gan_drawing\.py in PyTorch ended with code 2"):
        program()
    program.end()
