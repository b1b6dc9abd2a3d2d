r"""Says in about ten minutes what works on the GPUs of this machine, and how fast.

Example:
  python -m tools.gpu_report --output_dir=gpu_report

Writes report.md, which fits into a bug report, and report.json. Each check is a program of its own:
a check that fails or needs too long leaves the others as they are.
"""

import pathlib
import signal
import time

from absl import flags

from tfgan2 import program
from tfgan2.runs import recipe as recipes
from tools.gpu_checks import all_checks, page
from tools.gpu_checks.outcome import FAILED, Setting

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", None, "absent or empty folder of the report")
flags.DEFINE_float("minutes", 10.0, "time of all checks", 0.1)
flags.DEFINE_integer("steps", 500, "training steps on one device", 1)
flags.DEFINE_enum(
    "precision",
    "mixed_float16",
    recipes.PRECISIONS,
    "precision of the trainings; float32 is much faster on CPUs",
)
flags.DEFINE_integer("image_size", None, "image side in pixels; default: published", 16)
flags.DEFINE_integer("batch_size", None, "images per step and GPU; default: published", 2)
HELP_GROUPS = {
    "Required": ["output_dir"],
    "Optional": ["minutes", "steps", "precision", "image_size", "batch_size"],
}


def main() -> None:
    """Runs the checks, and writes the report after each of them."""
    if FLAGS.output_dir is None:
        raise program.UsageError("--output_dir", "must be given", "nothing")
    folder = pathlib.Path(FLAGS.output_dir).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise program.UsageError("--output_dir", "must be absent or an empty folder", folder)
    # SIGTERM ends the program of a check too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work = folder / "work"
    work.mkdir(parents=True)
    setting = Setting(
        work,
        steps=FLAGS.steps,
        precision=FLAGS.precision,
        image_size=FLAGS.image_size,
        batch_size=FLAGS.batch_size,
    )
    day, done = time.strftime("%Y-%m-%d"), {}
    for name, outcome in all_checks.outcomes(setting, seconds=60 * FLAGS.minutes):
        done[name] = outcome
        print(f"{name}: {outcome.result}: {outcome.summary}", flush=True)
        program.write_file(folder / "report.md", page.markdown(done, day=day).encode())
        program.write_file(folder / "report.json", page.to_json(done, day=day).encode())
    print(folder / "report.md")
    failed = [name for name, outcome in done.items() if outcome.result == FAILED]
    if failed:
        raise program.Failure(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
