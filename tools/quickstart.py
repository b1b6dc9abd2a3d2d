"""Runs the public commands in order: from real digits to an image over gRPC.

Example:
  python -m tools.quickstart
"""

import pathlib
import shlex
import subprocess
import sys
import time

from absl import flags

from serving.child_server import child_server, free_port
from tfgan2 import program

FLAGS = flags.FLAGS
flags.DEFINE_integer("steps", None, "goal of the training in steps; default: the recipe's", 1)
HELP_GROUPS = {"Optional": ["steps"]}

DATA, RUN, EXPORT, PICTURES = "data/digits", "runs/digits", "exports/digits", "pictures"
CAPTIONS = {
    "seven_seed_1.png": ("a handwritten seven", 1),
    "seven_seed_2.png": ("a handwritten seven", 2),
    "four_seed_1.png": ("the digit 4", 1),
}


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
    port = free_port()
    base_path = f"--model_base_path={pathlib.Path(EXPORT).absolute()}"
    server = _command("serving.server", "--model_name=digits", base_path, f"--port={port}")
    with child_server(server):
        for name, (caption, seed) in CAPTIONS.items():
            output = f"{PICTURES}/{name}"
            options = (f"--caption={caption}", f"--seed={seed}", f"--output={output}")
            _run("serving.client", f"--target=localhost:{port}", "--model=digits", *options)
    grid = max(pathlib.Path(RUN, "samples").glob("step_*.png"))
    print(f"\n{time.monotonic() - began:.0f} seconds. Pictures:")
    for path in [grid, *(f"{PICTURES}/{name}" for name in CAPTIONS)]:
        print(f"  {path}")


def _run(module: str, *options: str) -> None:
    finished = subprocess.run(_command(module, *options), check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


def _command(module: str, *options: str) -> list[str]:
    command = [sys.executable, "-m", module, *options]
    print(f"\n$ {shlex.join(['python', *command[1:]])}", flush=True)
    return command


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
