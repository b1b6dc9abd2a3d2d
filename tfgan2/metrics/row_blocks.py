"""Handles many rows of features in bounded memory."""

import tempfile
from collections.abc import Iterator

import numpy as np

MIB = 1024**2


def empty_rows(count: int, width: int, *, memory_mib: int) -> np.ndarray:
    """Allocates features float64 [count, width]: in memory, or in a temporary file if too large.

    Args:
      count: number of rows.
      width: number of columns.
      memory_mib: limit of the array in memory, in MiB.
    """
    if 8 * count * width <= memory_mib * MIB:
        return np.empty([count, width])
    # The file has no name, and is deleted with the array.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float64, "w+", shape=(count, width))


def row_blocks(
    rows: np.ndarray, *, columns: int, memory_mib: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields blocks of rows [N, D]; four float64 [block, columns] arrays fit into `memory_mib`.

    Yields:
      Index of the block's first row, and the rows as float64.
    """
    size = max(1, memory_mib * MIB // (4 * 8 * max(columns, rows.shape[1])))
    for start in range(0, len(rows), size):
        yield start, np.asarray(rows[start : start + size], np.float64)
