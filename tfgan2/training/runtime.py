"""Chooses devices and precision."""

import os

import tensorflow as tf

from tfgan2 import program
from tfgan2.program import UsageError
from tfgan2.training import workers


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
    if name in ("auto", "multi_worker") and workers.in_cluster():
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "multi_worker":
        rule = "must name a cluster of several workers for --strategy=multi_worker"
        raise UsageError(workers.VARIABLE, rule, os.environ.get(workers.VARIABLE) or "nothing")
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
    """Resolves `auto` to the fastest Keras policy of this machine.

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


def _has_amx() -> bool:
    if not os.path.exists("/proc/cpuinfo"):
        return False
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        flags = next((line for line in lines if line.startswith("flags")), "")
    return "amx_bf16" in flags.split()
