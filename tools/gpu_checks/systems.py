"""Rates and memory of a system at its published size, by tools.benchmark."""

import json

from tfgan2.runs import recipe as recipes
from tools.benchmarks import systems
from tools.gpu_checks import running
from tools.gpu_checks.outcome import PASSED, Outcome, Setting

# Seconds of each of the two measurements: this share of the time, at most so many. The rest of the
# time is for start, tracing and warm-up.
MEASURED_SHARE, MOST_SECONDS = 0.1, 5.0


def check(setting: Setting, *, seconds: float, system: str) -> Outcome:
    """Times training steps and drawing."""
    name = systems.SYSTEMS[system]
    written = setting.folder / f"{system}.json"
    options = [f"--model={name}", "--what=train,generate", f"--json={written}"]
    path = systems.flagfile(name, flag="--model")
    sizes = recipes.OPTIONS[recipes.from_flagfile(path).model].image_sizes_px
    if setting.image_size in sizes:
        options.append(f"--image_size={setting.image_size}")
    if setting.batch_size is not None:
        options.append(f"--batch_size={setting.batch_size}")
    ended = running.run(
        "tools.benchmark",
        *options,
        f"--seconds={max(0.1, min(MOST_SECONDS, MEASURED_SHARE * seconds)):.1f}",
        seconds=seconds,
        log=setting.folder / f"{system}.log",
    )
    if ended.result != PASSED:
        return ended.outcome("not measured")
    results = json.loads(written.read_text(encoding="utf-8"))["results"]
    return ended.outcome("; ".join(map(_summary, results)), results=results)


def _summary(result: dict) -> str:
    gpu = result["gpu_memory_mb"]
    memory = f"{result['memory_mb']:.0f} MiB" if gpu is None else f"{gpu:.0f} MiB of the GPU"
    return (
        f"{result['what']} {result['image_size']} px, {result['batch_size']} rows, "
        f"{result['precision']}: {result['images_per_second']['median']:.1f} images/s, {memory}"
    )
