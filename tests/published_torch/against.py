"""DF-GAN in PyTorch, for tools.benchmark: its step and its drawing.

--against=tests.published_torch.against:df_gan
--against_generation=tests.published_torch.against:df_gan_generation

PyTorch has an environment and a process of its own: two libraries that bring their own thread pools
do not share a process, and the environment of the tests has no PyTorch. While one of the two works,
the other one waits for a line.
"""

import os
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).parent
PYTHON = FOLDER.parents[1] / ".venv-torch" / "bin" / "python"
VARIABLE = "TFGAN2_TORCH_PYTHON"


class Program:
    """A program that does something for every line that it is sent."""

    def __init__(self, file: str, *, image_size: int, batch_size: int, precision: str) -> None:
        """Starts it, by the Python of `make test-torch` or that which TFGAN2_TORCH_PYTHON names."""
        self._file = file
        self._process = subprocess.Popen(
            [
                *(os.environ.get(VARIABLE, str(PYTHON)), str(FOLDER / file)),
                f"--image_size={image_size}",
                f"--batch_size={batch_size}",
                f"--precision={precision}",
            ],
            stdin=subprocess.PIPE,  # Closed when this process ends, which ends the other.
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self) -> None:
        """Has it done once."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise RuntimeError(f"{self._file} in PyTorch ended with code {self._process.wait()}")

    def end(self) -> None:
        """Ends the program."""
        self._process.communicate()


def df_gan(*, image_size: int, batch_size: int, precision: str) -> Program:
    """Starts what takes training steps."""
    return Program(
        "df_gan_step.py", image_size=image_size, batch_size=batch_size, precision=precision
    )


def df_gan_generation(*, image_size: int, batch_size: int, precision: str) -> Program:
    """Starts what draws batches."""
    return Program(
        "df_gan_drawing.py", image_size=image_size, batch_size=batch_size, precision=precision
    )
