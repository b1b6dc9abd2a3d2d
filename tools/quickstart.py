"""Runs the public commands in order: from real digits to an image over gRPC.

Example:
  python -m tools.quickstart
"""

import pathlib
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from absl import flags

from tfgan2 import program

FLAGS = flags.FLAGS
flags.DEFINE_integer("steps", None, "goal of the training in steps; default: the recipe's", 1)

DATA, RUN, EXPORT, PICTURES = "data/digits", "runs/digits", "exports/digits", "pictures"
CAPTIONS = {
    "seven_seed_1.png": ("a handwritten seven", 1),
    "seven_seed_2.png": ("a handwritten seven", 2),
    "four_seed_1.png": ("the digit 4", 1),
}
READY = "Running gRPC ModelServer"
STOP_SECONDS = 60.0


def main() -> None:
    """Runs all commands; exits with the code of the first command that fails."""
    began = time.monotonic()
    _run("tools.prepare", "--source=digits", f"--output_dir={DATA}")
    goal = [] if FLAGS.steps is None else [f"--steps={FLAGS.steps}"]
    recipe = "--flagfile=tfgan2/recipes/digits_df_gan.flags"
    _run("tfgan2.train", recipe, f"--data_dir={DATA}", f"--run_dir={RUN}", *goal)
    metrics = "--metrics=agreement,diversity,kid"
    _run("tools.evaluate", f"--run_dir={RUN}", f"--data_dir={DATA}", metrics, "--samples=1000")
    _run("tools.export", f"--run_dir={RUN}", f"--export_dir={EXPORT}")
    pathlib.Path(PICTURES).mkdir(exist_ok=True)
    with _server() as target:
        for name, (caption, seed) in CAPTIONS.items():
            output = f"{PICTURES}/{name}"
            options = (f"--caption={caption}", f"--seed={seed}", f"--output={output}")
            _run("serving.client", f"--target={target}", "--model=digits", *options)
    sheet = max(pathlib.Path(RUN, "samples").glob("step_*.png"))
    print(f"\n{time.monotonic() - began:.0f} seconds. Pictures:")
    for path in [sheet, *(f"{PICTURES}/{name}" for name in CAPTIONS)]:
        print(f"  {path}")


def _run(module: str, *options: str) -> None:
    finished = subprocess.run(_command(module, *options), check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


@contextmanager
def _server() -> Iterator[str]:
    """Serves the export on a free port, and yields host:port when the server is ready."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    base_path = f"--model_base_path={pathlib.Path(EXPORT).absolute()}"
    command = _command("serving.server", "--model_name=digits", base_path, f"--port={port}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stdout or ():
                print(line, end="", flush=True)
                if line.startswith(READY):
                    break
            else:
                sys.exit(server.wait())
            yield f"localhost:{port}"
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def _command(module: str, *options: str) -> list[str]:
    command = [sys.executable, "-m", module, *options]
    print(f"\n$ {shlex.join(['python', *command[1:]])}", flush=True)
    return command


if __name__ == "__main__":
    program.run(main)
