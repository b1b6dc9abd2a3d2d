"""Trainings of DF-GAN: on one device, on all GPUs, and with XLA."""

import dataclasses
import json
import math
import pathlib
import statistics
from typing import Any

from tools.gpu_checks import running
from tools.gpu_checks.outcome import FAILED, Outcome, Setting
from tools.gpu_checks.running import Ended

RECIPE, BATCH_SIZE = "cub_df_gan", 32
# The steps of the other trainings, as a share, and at least so many.
SHORT, FEWEST_STEPS = 0.1, 4
MEASUREMENTS = 10
SKIPPED = "/skipped_updates"  # Count since the start of the training.


def one_device(setting: Setting, *, seconds: float) -> Outcome:
    """Trains on the first GPU; the losses must stay finite."""
    return _train(setting, "run", "--strategy=one_device", steps=setting.steps, seconds=seconds)


def all_gpus(setting: Setting, *, seconds: float) -> Outcome:
    """Trains with a replica on each GPU; each replica has a whole batch."""
    options = ("--strategy=mirrored",)
    replicas = max(1, setting.gpus)
    return _train(
        setting, "mirrored", *options, steps=_few(setting), seconds=seconds, replicas=replicas
    )


def with_xla(setting: Setting, *, seconds: float) -> Outcome:
    """Trains on one device with steps that XLA compiles."""
    options = ("--strategy=one_device", "--jit_compile")
    return _train(setting, "xla", *options, steps=_few(setting), seconds=seconds)


def _few(setting: Setting) -> int:
    return max(FEWEST_STEPS, round(SHORT * setting.steps))


def _train(
    setting: Setting, name: str, *options: str, steps: int, seconds: float, replicas: int = 1
) -> Outcome:
    run_dir = setting.folder / name
    batch_size = replicas * (setting.batch_size or BATCH_SIZE)
    ended = running.run(
        "tfgan2.train",
        f"--recipe={RECIPE}",
        "--nofreeze_text_encoder",
        f"--image_size={setting.training_px}",
        "--crop_margin=1",
        f"--batch_size={batch_size}",
        f"--precision={setting.precision}",
        *options,
        f"--data_dir={setting.folder / 'data'}",
        f"--run_dir={run_dir}",
        f"--steps={steps}",
        f"--log_every={max(1, steps // MEASUREMENTS)}",
        f"--checkpoint_every={steps}",
        f"--sample_every={steps}",
        seconds=seconds,
        log=setting.folder / f"{name}.log",
    )
    return _outcome(ended, _read(run_dir / "metrics.jsonl"), steps=steps, batch_size=batch_size)


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads the lines of the logged losses; a line that a killed process cut is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "images_per_second" in entry:
            found.append(entry)
    return found


def _outcome(ended: Ended, lines: list[dict[str, Any]], *, steps: int, batch_size: int) -> Outcome:
    if not lines:
        return ended.outcome(f"0 of {steps} steps")
    # The first interval has the tracing of the graph in it.
    rates = [it["images_per_second"] for it in lines[1:] or lines]
    wrong = sorted({name for it in lines for name, value in it.items() if not math.isfinite(value)})
    skipped = sum(value for name, value in lines[-1].items() if name.endswith(SKIPPED))
    figures = {
        "steps": lines[-1]["step"],
        "batch_size": batch_size,
        "images_per_second": statistics.median(rates),
        "skipped_updates": skipped,
        "not_finite": wrong,
    }
    losses = f"not finite: {', '.join(wrong)}" if wrong else "all losses finite"
    outcome = ended.outcome(
        f"{figures['steps']} of {steps} steps of {batch_size} images, "
        f"{figures['images_per_second']:.1f} images/s, {skipped:.0f} updates skipped, {losses}",
        **figures,
    )
    return dataclasses.replace(outcome, result=FAILED) if wrong else outcome
