"""All checks in their order, and the time that each may use."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator

from tools.benchmarks.systems import SYSTEMS
from tools.gpu_checks import contract, data_set, devices, parity, systems, training
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
