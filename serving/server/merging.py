"""Rows of several requests in one batch, and its outputs apart again."""

import itertools
from collections.abc import Mapping, Sequence

import grpc
import numpy as np

from serving.server.status import StatusError, invalid_argument

Feeds = Mapping[str, np.ndarray]
MOST_PADDED_DIMENSIONS = 6


def count_rows(feeds: Feeds) -> int:
    """Rows of a request.

    Raises:
      StatusError: its tensors have none, or not the same number.
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
    """Rows of all requests under each other.

    Args:
      requests: arrays by the same names.
      pad: fills the dimensions behind the first up to the longest with an array's own first value.

    Raises:
      StatusError: arrays of one name differ behind the first dimension, and may not or cannot be
        padded.
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
    """Repeats a row until the batch has an allowed size.

    Args:
      feeds: of a batch.
      rows: how many it has, at least one.
      row: the one to repeat.
      allowed: sizes, ascending; empty for any.
    """
    missing = next((size for size in allowed if size >= rows), rows) - rows
    if not missing:
        return feeds
    return {
        name: np.concatenate([array, np.repeat(array[row : row + 1], missing, axis=0)])
        for name, array in feeds.items()
    }


def split(values: Sequence[np.ndarray], sizes: Sequence[int], rows: int) -> list[list[np.ndarray]]:
    """What each request gets of the outputs.

    Args:
      values: outputs of the batch.
      sizes: rows of each request; what is behind them is thrown away.
      rows: that the batch was run with.

    Raises:
      StatusError: an output has other rows than the batch.
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
