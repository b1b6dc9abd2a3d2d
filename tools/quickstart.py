"""Runs the public commands in order: from real digits to an image over gRPC.

Example:
  python -m tools.quickstart
"""

import pathlib
import time

from absl import flags

from serving.child_server import child_server, free_port
from tfgan2 import program
from tools import commands

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
    commands.run("tools.prepare", "--source=digits", f"--output_dir={DATA}")
    goal = [] if FLAGS.steps is None else [f"--steps={FLAGS.steps}"]
    recipe = "--recipe=digits_df_gan"
    commands.run("tfgan2.train", recipe, f"--data_dir={DATA}", f"--run_dir={RUN}", *goal)
    metrics = "--metrics=agreement,diversity,kid"
    commands.run(
        "tools.evaluate", f"--run_dir={RUN}", f"--data_dir={DATA}", metrics, "--samples=1000"
    )
    commands.run("tools.export", f"--run_dir={RUN}", f"--export_dir={EXPORT}")
    pathlib.Path(PICTURES).mkdir(exist_ok=True)
    port = free_port()
    base_path = f"--model_base_path={pathlib.Path(EXPORT).absolute()}"
    server = commands.announce("serving.server", "--model_name=digits", base_path, f"--port={port}")
    with child_server(server):
        for name, (caption, seed) in CAPTIONS.items():
            output = f"{PICTURES}/{name}"
            options = (f"--caption={caption}", f"--seed={seed}", f"--output={output}")
            commands.run("serving.client", f"--target=localhost:{port}", "--model=digits", *options)
    grid = max(pathlib.Path(RUN, "samples").glob("step_*.png"))
    print(f"\n{time.monotonic() - began:.0f} seconds. Pictures:")
    for path in [grid, *(f"{PICTURES}/{name}" for name in CAPTIONS)]:
        print(f"  {path}")


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
