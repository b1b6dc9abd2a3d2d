"""What is known of a version of a model, and what is told of it."""

import dataclasses
import enum
import math
from collections.abc import Callable

from serving.server.servable import Servable
from serving.server.status import StatusError


class State(enum.IntEnum):
    """Of a version, with the numbers of the protocol."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What is told of a version: `error` is why it ended, if it failed."""

    version: int
    state: State
    error: StatusError | None


@dataclasses.dataclass
class Version:
    """What a manager knows of a version.

    Attributes:
      model: its name.
      number: of the version.
      path: its folder.
      state: where it stands.
      error: of the last try to load it.
      servable: what was loaded, from AVAILABLE to the end of UNLOADING.
      aspired: it is on disk, and the policy wants it.
      leases: requests that hold it.
      failures: tries to load it that failed.
      retry_at: time.monotonic() of the next one; infinite where none waits.
    """

    model: str
    number: int
    path: str
    state: State = State.START
    error: StatusError | None = None
    servable: Servable | None = None
    aspired: bool = True
    leases: int = 0
    failures: int = 0
    retry_at: float = math.inf

    def __str__(self) -> str:
        return f"{{name: {self.model} version: {self.number}}}"


@dataclasses.dataclass(frozen=True)
class Lease:
    """A version that is not unloaded before it is released, which is done once."""

    servable: Servable
    release: Callable[[], None]
