"""An export of the trained run, which must draw the pictures of the run."""

import json
import pathlib
import sys

from tools.gpu_checks import running
from tools.gpu_checks.outcome import FAILED, PASSED, Outcome, Setting

CAPTIONS = (
    *("a red disc on a green ground", "a blue disc on a white ground"),
    *("a yellow disc on a violet ground", "picture 7"),
)
# In grey levels of 255. GPUs round the products of a convolution in an order of their own.
HIGHEST_MEAN_DIFFERENCE = 0.5


def check(setting: Setting, *, seconds: float) -> Outcome:
    """Exports the run of the first training, and compares pictures on the GPU and on the CPU."""
    run_dir, export_dir = setting.folder / "run", setting.folder / "export"
    ended = running.run(
        "tools.export",
        *(f"--run_dir={run_dir}", f"--export_dir={export_dir}"),
        seconds=seconds,
        log=setting.folder / "export.log",
    )
    if ended.result != PASSED:
        return ended.outcome("tools.export wrote no version")
    drawn = running.run(
        "tools.gpu_checks.parity",
        *(str(run_dir), str(export_dir)),
        seconds=max(1.0, seconds - ended.seconds),
        log=setting.folder / "parity.log",
    )
    if drawn.result != PASSED:
        return drawn.outcome("the pictures were not drawn")
    figures = json.loads(drawn.lines[-1])
    summary = "; ".join(
        f"{name}: {it['mean']:.3f} on average, {it['largest']} at most"
        for name, it in figures.items()
    )
    outcome = drawn.outcome(f"differences in levels of 255: {summary}", **figures)
    wrong = any(it["mean"] > HIGHEST_MEAN_DIFFERENCE for it in figures.values())
    return Outcome(FAILED, outcome.summary, outcome.figures) if wrong else outcome


def _main(run_dir: str, export_dir: str) -> None:
    """Prints a line of JSON."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  Registers ops that exported graphs use.

    from tfgan2.export.saved_model import newest_version
    from tfgan2.runs.directory import RunDirectory
    from tfgan2.runs.sampling import load_sampler

    rows = {
        "caption": tf.constant(CAPTIONS),
        "seed": tf.range(len(CAPTIONS), dtype=tf.int64),
        "truncation": tf.zeros([len(CAPTIONS)]),
    }
    sampler, _, _ = load_sampler(RunDirectory.existing(pathlib.Path(run_dir)))
    of_run = sampler.pixels(*rows.values()).numpy().astype(int)
    version = str(newest_version(pathlib.Path(export_dir)))
    of_export = tf.saved_model.load(version).signatures["pixels"](**rows)["image"]
    with tf.device("CPU"):
        on_cpu = tf.saved_model.load(version).signatures["pixels"](**rows)["image"]
    differences = {
        "export and run": of_export.numpy().astype(int) - of_run,
        "export here and on the CPU": of_export.numpy().astype(int) - on_cpu.numpy(),
    }
    figures = {
        name: {"mean": float(np.abs(it).mean()), "largest": int(np.abs(it).max())}
        for name, it in differences.items()
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    _main(*sys.argv[1:])
