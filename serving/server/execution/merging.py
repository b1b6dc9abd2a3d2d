"""Merges the rows of several requests into one batch, and splits the outputs again."""

import itertools
from collections.abc import Mapping, Sequence

import grpc
import numpy as np

from serving.server.status import StatusError, invalid_argument

Feeds = Mapping[str, np.ndarray]
MOST_PADDED_DIMENSIONS = 6


def count_rows(feeds: Feeds) -> int:
    """The number of rows of a request.

    Raises:
      StatusError: the request has no tensors, a scalar, or tensors with different row counts.
    """
    if not feeds:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    if any(not array.ndim for array in feeds.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    rows = {len(array) for array in feeds.values()}
    if len(rows) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return rows.pop()


def merge(requests: Sequence[Feeds], *, pad: bool) -> Feeds:
    """Concatenates the rows of all requests.

    Args:
      requests: arrays by name; all requests have the same names.
      pad: pads all dimensions but the first to the longest, with the array's first value.

    Raises:
      StatusError: arrays of one name differ in another dimension than the first, and `pad` is off
        or padding is impossible.
    """
    if len(requests) == 1:
        return requests[0]
    return {name: _concatenate(name, [one[name] for one in requests], pad) for name in requests[0]}


def _concatenate(name: str, parts: Sequence[np.ndarray], pad: bool) -> np.ndarray:
    if len({part.shape[1:] for part in parts}) > 1:
        dimensions = {part.ndim for part in parts}
        if not pad or len(dimensions) > 1:
            text = (
                f"Tensors with name '{name}' from different tasks have different shapes and "
                "padding is turned off. Set pad_variable_length_inputs to true, or ensure that "
                "all tensors with the same name have equal dimensions starting with the first dim."
            )
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)
        if dimensions.pop() > MOST_PADDED_DIMENSIONS:
            raise invalid_argument("Only tensors with rank from 1 to 6 can be padded.")
        longest = np.max([part.shape[1:] for part in parts], axis=0)
        parts = [_padded(part, longest) for part in parts]
    return np.concatenate(parts)


def _padded(array: np.ndarray, longest: np.ndarray) -> np.ndarray:
    zero = b"" if array.dtype == object else np.zeros([], array.dtype)
    first = array.ravel()[0] if array.size else zero
    padded = np.full((len(array), *longest), first, array.dtype)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def fill_up(feeds: Feeds, *, rows: int, row: int, allowed: Sequence[int]) -> Feeds:
    """Repeats one row until the batch has an allowed size.

    Args:
      feeds: arrays of the batch by name.
      rows: number of rows of the batch, at least 1.
      row: index of the row to repeat.
      allowed: allowed sizes in rows, ascending; empty for any size.
    """
    missing = next((size for size in allowed if size >= rows), rows) - rows
    if not missing:
        return feeds
    return {
        name: np.concatenate([array, np.repeat(array[row : row + 1], missing, axis=0)])
        for name, array in feeds.items()
    }


def split(values: Sequence[np.ndarray], sizes: Sequence[int], rows: int) -> list[list[np.ndarray]]:
    """Splits the outputs of a batch into the outputs of each request.

    Args:
      values: outputs of the batch.
      sizes: rows of each request; the padding rows after them are dropped.
      rows: number of rows of the batch, with padding.

    Raises:
      StatusError: an output is a scalar, or its row count differs from the batch's.
    """
    for value in values:
        if not value.ndim:
            text = "Batched output tensor has 0 dimensions"
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)
        if len(value) != rows:
            text = (
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors"
            )
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)
    ends = list(itertools.accumulate(sizes, initial=0))
    return [[value[begin:end] for value in values] for begin, end in itertools.pairwise(ends)]
