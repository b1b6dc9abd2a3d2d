"""Describes the machine, and measures its matrix-multiply peak."""

import functools
import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.runs import environment
from tools.benchmarks import timing

SIDES = (1024, 2048, 4096)
CPU_INFO = "/proc/cpuinfo"
# Growth of the time of a product when the side doubles.
GROWTH = 8
MIB = 1024**2


def describe() -> dict[str, Any]:
    """Returns processor, cores, GPUs and package versions."""
    processor, features = platform.machine(), set()
    if os.path.exists(CPU_INFO):
        with open(CPU_INFO, encoding="utf-8") as file:
            pairs = dict(line.split(":", 1) for line in file if ":" in line)
        named = {name.strip(): value.strip() for name, value in pairs.items()}
        processor = named.get("model name", processor)
        features = set(named.get("flags", "").split())
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "avx512": "avx512f" in features,
        "amx": "amx_bf16" in features,
        "gpus": [it.get("device_name", "unknown") for it in details],
        "system": platform.platform(),
        "versions": environment.versions(),
    }


def peak_gpu_memory_mb() -> float | None:
    """Returns the peak memory of the first GPU in this process, in MiB; None without a GPU."""
    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / MIB


def multiply_peak(precision: str, *, seconds: float) -> float:
    """Measures the multiplication of square matrices of several sides, and keeps the best.

    Args:
      precision: a Keras policy; the matrices have its compute dtype.
      seconds: approximate limit; sides that would need longer are skipped.

    Returns:
      Floating-point operations per second, from the best median.
    """
    dtype = tf.as_dtype(precision.removeprefix("mixed_"))
    best, seconds_per_side = 0.0, seconds / len(SIDES)

    @tf.function(reduce_retracing=True)
    def multiply(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.matmul(left, right)[0, 0]  # A small output to wait for.

    calls = timing.WARM_UP_CALLS + timing.FEWEST_CALLS
    for side in SIDES:
        left, right = (tf.cast(tf.random.normal([side, side]), dtype) for _ in range(2))
        call = functools.partial(_number, multiply, left, right)
        median = float(np.median(timing.repeat(call, seconds=seconds_per_side)))
        best = max(best, 2 * side**3 / median)
        if calls * GROWTH * median > seconds:
            break
    return best


def _number(multiply: Callable[..., tf.Tensor], *matrices: tf.Tensor) -> np.ndarray:
    return multiply(*matrices).numpy()
