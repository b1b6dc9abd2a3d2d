"""Waits for the new models of a configuration."""

import dataclasses
from concurrent import futures


@dataclasses.dataclass
class Wait:
    """A wait for models; the manager ends it.

    Attributes:
      names: names of the models.
      configuration: number of the configuration that lists them.
      starting: a newer configuration replaces the models of the wait; else it ends the wait.
      until: time.monotonic() at which the wait ends with DEADLINE_EXCEEDED.
      future: completes when the models are available; fails with a StatusError.
    """

    names: tuple[str, ...]
    configuration: int
    starting: bool
    until: float
    future: "futures.Future[None]" = dataclasses.field(default_factory=futures.Future)

    def end(self, error: Exception | None) -> None:
        """Completes the future unless it was cancelled."""
        if self.future.set_running_or_notify_cancel():
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)
