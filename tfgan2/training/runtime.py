"""Chooses devices and precision; reads package versions and memory."""

import importlib.metadata
import os
import platform
import resource

import tensorflow as tf

from tfgan2 import program
from tfgan2.program import UsageError
from tfgan2.training import team

STATM = "/proc/self/statm"
MIB = 1024**2
PACKAGES = ("tfgan2", "tensorflow", "tf-keras", "tensorflow-text", "numpy")


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Creates the distribution strategy.

    Args:
      name: `one_device`; `mirrored`: all GPUs, or all logical CPUs without GPUs; `multi_worker`:
        all GPUs of all machines in TF_CONFIG (must be called before TensorFlow computes anything);
        or `auto`: multi_worker if TF_CONFIG names several workers, else mirrored if there are
        GPUs, else one_device.

    Raises:
      UsageError: `multi_worker` without a cluster, or TF_CONFIG is malformed.
    """
    if name in ("auto", "multi_worker") and team.in_cluster():
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "multi_worker":
        rule = "must name a cluster of several workers for --strategy=multi_worker"
        raise UsageError(team.VARIABLE, rule, os.environ.get(team.VARIABLE) or "nothing")
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one_device" or (name == "auto" and not gpus):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def quieten_tensorflow() -> None:
    """Applies the log level, and turns off a graph optimization that logs errors.

    The optimization is remapping; the errors are about gradients of leaky ReLUs.
    """
    program.quieten_tensorflow()
    tf.config.optimizer.set_experimental_options({"remapping": False})


def resolve_precision(name: str) -> str:
    """Turns `auto` into the fastest Keras policy of this machine.

    Args:
      name: a Keras policy; or `auto`: mixed_float16 on GPUs of compute capability 7 and up,
        mixed_bfloat16 on CPUs with AMX, else float32.
    """
    if name != "auto":
        return name
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capabilities = [
            tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
            for gpu in gpus
        ]
        return "mixed_float16" if min(capabilities) >= (7, 0) else "float32"
    return "mixed_bfloat16" if _has_amx() else "float32"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect a run's results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def resident_mib() -> float:
    """Resident memory of this process in MiB; without /proc (not Linux), the peak so far."""
    if os.path.exists(STATM):
        with open(STATM, encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def _has_amx() -> bool:
    if not os.path.exists("/proc/cpuinfo"):
        return False
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        flags = next((line for line in lines if line.startswith("flags")), "")
    return "amx_bf16" in flags.split()
