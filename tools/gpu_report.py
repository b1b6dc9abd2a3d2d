r"""Says in about ten minutes what works on the GPUs of this machine, and how fast.

Example:
  python -m tools.gpu_report --output_dir=gpu_report

Writes report.md, which fits into a bug report, and report.json. Each check is a program of its own:
a check that fails or needs too long leaves the others as they are.
"""

import dataclasses
import functools
import pathlib
import signal
import time
from collections.abc import Callable, Iterator

from absl import flags

from tfgan2 import program
from tfgan2.runs import recipe as recipes
from tools.benchmarks.systems import SYSTEMS
from tools.gpu_checks import contract, data_set, devices, page, parity, systems, training
from tools.gpu_checks.outcome import FAILED, NOT_RUN, Outcome, Setting

# Each check, and its share of the time.
CHECKS: dict[str, tuple[Callable[..., Outcome], float]] = {
    "devices": (devices.check, 0.05),
    "data set": (data_set.check, 0.05),
    "training": (training.one_device, 0.25),
    "all GPUs": (training.all_gpus, 0.1),
    "XLA": (training.with_xla, 0.15),
    "export": (parity.check, 0.1),
    **{name: (functools.partial(systems.check, system=name), 0.08) for name in SYSTEMS},
    "contract tests": (contract.check, 0.4),
}
# Checks that read the files of another check.
NEEDS = {
    "training": "data set",
    "all GPUs": "data set",
    "XLA": "data set",
    "export": "training",
}

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
    for name, outcome in outcomes(setting, seconds=60 * FLAGS.minutes):
        done[name] = outcome
        print(f"{name}: {outcome.result}: {outcome.summary}", flush=True)
        program.write_file(folder / "report.md", page.markdown(done, day=day).encode())
        program.write_file(folder / "report.json", page.to_json(done, day=day).encode())
    print(folder / "report.md")
    failed = [name for name, outcome in done.items() if outcome.result == FAILED]
    if failed:
        raise program.Failure(f"failed: {', '.join(failed)}")


def outcomes(setting: Setting, *, seconds: float) -> Iterator[tuple[str, Outcome]]:
    """Runs the checks in order; a check leaves the time that it does not need to the next ones."""
    results: dict[str, str] = {}
    shares = sum(share for _, share in CHECKS.values())
    for name, (check, share) in CHECKS.items():
        began = time.monotonic()
        needed = NEEDS.get(name)
        if results.get(needed or "") == FAILED:
            outcome = Outcome(NOT_RUN, f"needs the check {needed}")
        else:
            outcome = check(setting, seconds=seconds * share / shares)
        used = time.monotonic() - began
        seconds, shares = max(1.0, seconds - used), shares - share
        if name == "devices":
            gpus = outcome.figures.get("machine", {}).get("gpus", ())
            setting = dataclasses.replace(setting, gpus=len(gpus))
        results[name] = outcome.result
        yield name, dataclasses.replace(outcome, seconds=used)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
