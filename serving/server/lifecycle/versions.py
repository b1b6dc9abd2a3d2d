"""The state of a model version, its public status, and leases of loaded versions."""

import dataclasses
import enum
import math
from collections.abc import Callable

from serving.server.execution.servable import Servable
from serving.server.status import StatusError


class State(enum.IntEnum):
    """The state of a version, with the numbers of TensorFlow Serving's protocol."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """The status of a version for clients; `error` is the last load error, or None."""

    version: int
    state: State
    error: StatusError | None


@dataclasses.dataclass
class Version:
    """A manager's record of a version.

    Attributes:
      model: name of the model.
      number: version number.
      path: folder of the version.
      state: current state.
      error: error of the last load attempt; None if it succeeded.
      servable: the loaded version, from AVAILABLE to the end of UNLOADING; else None.
      desired: the version is on disk and the policy chooses it.
      leases: number of requests that use the version.
      failures: number of failed load attempts.
      retry_at: time.monotonic() of the next load attempt; infinite without one.
    """

    model: str
    number: int
    path: str
    state: State = State.START
    error: StatusError | None = None
    servable: Servable | None = None
    desired: bool = True
    leases: int = 0
    failures: int = 0
    retry_at: float = math.inf

    @property
    def waits_for_load(self) -> bool:
        """Whether a load attempt is due, at once or later, and none runs."""
        return self.state == State.START or self.retry_at < math.inf

    def __str__(self) -> str:
        return f"{{name: {self.model} version: {self.number}}}"


@dataclasses.dataclass(frozen=True)
class Lease:
    """A version that is not unloaded before `release`; call `release` exactly once."""

    servable: Servable
    release: Callable[[], None]
