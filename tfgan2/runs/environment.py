"""Versions of packages and memory of this process."""

import importlib.metadata
import os
import platform
import resource

STATM = "/proc/self/statm"
MIB = 1024**2
PACKAGES = ("tfgan2", "tensorflow", "tf-keras", "tensorflow-text", "numpy")


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
