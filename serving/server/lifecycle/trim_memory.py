"""Returns the memory of an unloaded version to the operating system."""

import ctypes
import gc


def trim() -> None:
    """Collects the reference cycles of a graph; with glibc, also returns free heap memory."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
