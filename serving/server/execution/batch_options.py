"""The options of dynamic batching, and how to read them from BatchingParameters."""

import dataclasses
import os
from typing import Any

from serving.server.status import invalid_argument


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """The options of dynamic batching.

    Attributes:
      max_batch_size: most rows of a batch, and of a request unless `split_large`.
      timeout_seconds: longest time that a batch waits for more requests after its first one.
      max_enqueued_batches: most batches that wait in a queue; further requests are refused.
      threads: batches that run at the same time, over all models.
      allowed_batch_sizes: rows, ascending; a batch is padded to the next size. Empty: any size.
      pad_variable_lengths: pads shorter tensors to the longest of the batch.
      split_large: splits a request that has more rows than a batch into pieces.
      max_execution_batch_size: most rows of a piece, with `split_large`.
    """

    max_batch_size: int = 1000
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_lengths: bool = False
    split_large: bool = False
    max_execution_batch_size: int = 1000

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "threads"):
            if getattr(self, name) < 1:
                raise invalid_argument(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.timeout_seconds < 0:
            raise invalid_argument("batch_timeout_micros must not be negative")
        if not 1 <= self.max_execution_batch_size <= self.max_batch_size:
            raise invalid_argument(
                "max_execution_batch_size must be from 1 to max_batch_size, "
                f"got {self.max_execution_batch_size}"
            )
        allowed = self.allowed_batch_sizes
        if any(low >= high for low, high in zip((0, *allowed), allowed, strict=False)):
            raise invalid_argument(
                f"allowed_batch_sizes must be positive and ascending, got {list(allowed)}"
            )
        if allowed and allowed[-1] != self.largest_batch:
            raise invalid_argument(
                "Last entry in allowed_batch_sizes must match max_batch_size; "
                f"last entry was {allowed[-1]}; expected {self.largest_batch}"
            )

    @property
    def largest_batch(self) -> int:
        """The most rows that run together."""
        return self.max_execution_batch_size if self.split_large else self.max_batch_size


def from_proto(parameters: Any) -> BatchOptions:
    """Reads BatchingParameters.

    Args:
      parameters: a `serving.wire.configs.BatchingParameters`.

    Raises:
      StatusError: a value breaks a rule.
    """
    given: dict[str, Any] = {
        field: getattr(parameters, name).value
        for name, field in (
            ("max_batch_size", "max_batch_size"),
            ("max_enqueued_batches", "max_enqueued_batches"),
            ("num_batch_threads", "threads"),
            ("enable_large_batch_splitting", "split_large"),
        )
        if parameters.HasField(name)
    }
    given["timeout_seconds"] = parameters.batch_timeout_micros.value / 1e6
    given["allowed_batch_sizes"] = tuple(parameters.allowed_batch_sizes)
    given["pad_variable_lengths"] = parameters.pad_variable_length_inputs
    given["max_execution_batch_size"] = parameters.max_execution_batch_size.value or given.get(
        "max_batch_size", BatchOptions.max_batch_size
    )
    return BatchOptions(**given)
