"""DF-GAN in PyTorch, for tools.benchmark: its step and its drawing.

--against=tests.published_torch.against:df_gan
--against_generation=tests.published_torch.against:df_gan_generation

PyTorch runs in its own environment and process: the two libraries have separate thread pools, and
the environment of the tests has no PyTorch. While one of the two works, the other waits for a line.
"""

import os
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).parent
PYTHON = FOLDER.parents[1] / ".venv-torch" / "bin" / "python"
VARIABLE = "TFGAN2_TORCH_PYTHON"


class Program:
    """A program that runs one step for every line of its input."""

    def __init__(self, file: str, *, image_size: int, batch_size: int, precision: str) -> None:
        """Starts the program with the Python of `make test-torch` or of TFGAN2_TORCH_PYTHON."""
        self._file = file
        self._process = subprocess.Popen(
            [
                *(os.environ.get(VARIABLE, str(PYTHON)), str(FOLDER / file)),
                f"--image_size={image_size}",
                f"--batch_size={batch_size}",
                f"--precision={precision}",
            ],
            stdin=subprocess.PIPE,  # Closed at the end of this process, which ends the program.
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self) -> None:
        """Runs one step and waits for its end."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise RuntimeError(f"{self._file} in PyTorch ended with code {self._process.wait()}")

    def end(self) -> None:
        """Ends the program."""
        self._process.communicate()


def df_gan(*, image_size: int, batch_size: int, precision: str) -> Program:
    """Starts the program that runs training steps."""
    return Program(
        "df_gan_step.py", image_size=image_size, batch_size=batch_size, precision=precision
    )


def df_gan_generation(*, image_size: int, batch_size: int, precision: str) -> Program:
    """Starts the program that generates batches."""
    return Program(
        "df_gan_drawing.py", image_size=image_size, batch_size=batch_size, precision=precision
    )
