"""How requests are merged: the parameters file of dynamic batching."""

import dataclasses
import os
from typing import Any

from serving.server.status import invalid_argument


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """How requests are merged.

    Attributes:
      max_batch_size: rows of a batch, and of a request unless large ones are split.
      timeout_seconds: that a batch waits for more after its first request.
      max_enqueued_batches: batches that wait; more are refused.
      threads: batches that run at the same time, those of all models together.
      allowed_batch_sizes: ascending; a batch is filled up to the next one. Empty for any.
      pad_variable_lengths: fills shorter tensors up to the longest of the batch.
      split_large: a request of more rows than a batch has is run in pieces.
      max_execution_batch_size: rows of a piece.
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
        """Rows that are run at once, at most."""
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
