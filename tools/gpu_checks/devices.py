"""The GPUs that TensorFlow finds, and a product of matrices on each of them."""

import json
import subprocess

from tools.gpu_checks import running
from tools.gpu_checks.outcome import FAILED, PASSED, Outcome, Setting

SIDE = 256
NVIDIA_SMI = (
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total",
    "--format=csv,noheader",
)


def check(setting: Setting, *, seconds: float) -> Outcome:
    """Describes the machine; passes without a GPU too, and says so."""
    log = setting.folder / "devices.log"
    ended = running.run("tools.gpu_checks.devices", seconds=seconds, log=log)
    if ended.result != PASSED:
        return ended.outcome("TensorFlow does not start")
    found = json.loads(ended.lines[-1])
    found["nvidia_smi"] = _nvidia_smi()
    gpus, wrong = found["machine"]["gpus"], found["wrong_products"]
    if wrong:
        return Outcome(FAILED, f"wrong products of matrices on {', '.join(wrong)}", found)
    summary = ", ".join(gpus) or "no GPU: everything here ran on CPUs"
    if found["nvidia_smi"] and not gpus:
        return Outcome(FAILED, "nvidia-smi lists GPUs that TensorFlow does not find", found)
    return Outcome(ended.result, summary, found)


def _nvidia_smi() -> list[str]:
    try:
        listed = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, check=False)
    except OSError:
        return []
    return listed.stdout.splitlines() if listed.returncode == 0 else []


def _main() -> None:
    """Prints a line of JSON."""
    import numpy as np
    import tensorflow as tf

    from tools.benchmarks import machine

    left = np.random.default_rng(1).integers(-8, 8, [SIDE, SIDE]).astype(np.float32)
    wrong = []
    for device in tf.config.list_logical_devices("GPU"):
        with tf.device(device.name):
            # Small integers: exact in every precision that a GPU multiplies with.
            product = tf.matmul(left, left).numpy()
        if not np.array_equal(product, left @ left):
            wrong.append(device.name)
    build = {name: str(value) for name, value in tf.sysconfig.get_build_info().items()}
    print(json.dumps({"machine": machine.describe(), "wrong_products": wrong, "build": build}))


if __name__ == "__main__":
    _main()
