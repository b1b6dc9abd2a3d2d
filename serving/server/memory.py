"""What a version that was unloaded took goes back to the machine."""

import ctypes
import gc


def give_back() -> None:
    """Frees the cycles of a graph, and what the allocator keeps for later where it is glibc's."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
