"""DF-GAN's step in PyTorch, for tools.benchmark --against=tests.published_torch.against:df_gan.

PyTorch has an environment and a process of its own: two libraries that bring their own thread pools
do not share a process, and the environment of the tests has no PyTorch. While one of the two takes
its steps, the other one waits for a line.
"""

import os
import pathlib
import subprocess
from collections.abc import Callable

FOLDER = pathlib.Path(__file__).parent
PYTHON = FOLDER.parents[1] / ".venv-torch" / "bin" / "python"
VARIABLE = "TFGAN2_TORCH_PYTHON"


def df_gan(*, image_size: int, batch_size: int, precision: str) -> Callable[[], None]:
    """Starts it with the Python of `make test-torch`, or that which TFGAN2_TORCH_PYTHON names."""
    process = subprocess.Popen(
        [
            *(os.environ.get(VARIABLE, str(PYTHON)), str(FOLDER / "df_gan_step.py")),
            f"--image_size={image_size}",
            f"--batch_size={batch_size}",
            f"--precision={precision}",
        ],
        stdin=subprocess.PIPE,  # Closed when this process ends, which ends the other.
        stdout=subprocess.PIPE,
        text=True,
    )

    def step() -> None:
        process.stdin.write("step\n")
        process.stdin.flush()
        if process.stdout.readline() != "done\n":
            raise RuntimeError(f"the step in PyTorch ended with code {process.wait()}")

    return step
