"""Finds the devices that train: GPUs, CPU cores, memory."""

import dataclasses
import os
import subprocess
import sys

MIB = 1024**2
COUNT_GPUS = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"


@dataclasses.dataclass(frozen=True)
class Devices:
    """Devices of this machine.

    Attributes:
      gpus: number of GPUs that TensorFlow finds.
      cores: number of CPU cores that this process may use.
      memory_mib: main memory in MiB.
    """

    gpus: int
    cores: int
    memory_mib: int

    def __str__(self) -> str:
        gpus = f"{self.gpus} GPU, " if self.gpus else "no GPU, "
        return f"{gpus}{self.cores} CPU cores, {self.memory_mib / 1024:.0f} GiB of memory"


def find() -> Devices:
    """Counts the devices; TensorFlow runs in another process, which gives its memory back."""
    counted = subprocess.run(
        [sys.executable, "-c", COUNT_GPUS],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Devices(
        gpus=int(counted.stdout or 0),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=pages // MIB,
    )
