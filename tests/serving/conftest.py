"""Shared fixtures: small models, written once, and a stub of a server."""

import dataclasses
import pathlib
import threading
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from serving.server.execution.servable import Servable
from tests import kinds
from tests.serving import models
from tests.serving import stub as stubs
from tests.serving.batch import painted
from tests.serving.stub import Stub
from tfgan2.export import saved_model


@dataclasses.dataclass
class HeldRuns:
    """Controls the runs of servables: the first run waits for `go`.

    Attributes:
      started: the first run has begun.
      go: ends the wait of the first run.
      fed: the first input of each run.
    """

    started: threading.Event = dataclasses.field(default_factory=threading.Event)
    go: threading.Event = dataclasses.field(default_factory=threading.Event)
    fed: list[list[float]] = dataclasses.field(default_factory=list)


@pytest.fixture
def held_runs(monkeypatch: pytest.MonkeyPatch) -> HeldRuns:
    held, original = HeldRuns(), Servable.run

    def run(self: Servable, feeds: Mapping, fetches: Sequence[str]) -> list[np.ndarray]:
        held.fed.append(next(iter(feeds.values())).tolist())
        if not held.started.is_set():
            held.started.set()
            assert held.go.wait(60)
        return original(self, feeds, fetches)

    monkeypatch.setattr(Servable, "run", run)
    return held


@pytest.fixture(scope="session")
def doubler_versions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Versions 1 and 2 of the doubler."""
    path = tmp_path_factory.mktemp("doubler")
    for version in (1, 2):
        models.write_doubler(path, version)
    return path


@pytest.fixture
def base_path(doubler_versions: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A base path with version 1; tests link other versions into it."""
    path = tmp_path / "doubler"
    path.mkdir()
    (path / "1").symlink_to(doubler_versions / "1")
    return path


@pytest.fixture(scope="session")
def kinds_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Exports of an unconditional and of a joint model."""
    folder = tmp_path_factory.mktemp("kinds")
    samplers = {"unconditional": kinds.unconditional(), "joint": kinds.joint(folder)}
    for name, sampler in samplers.items():
        saved_model.export(sampler, folder / name, captions=["7"], card={})
    return folder


@pytest.fixture(scope="session")
def painted_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An export of a caption model."""
    folder = tmp_path_factory.mktemp("painted")
    painted.write(folder)
    return folder


@pytest.fixture(scope="session")
def seeds_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An export of an unconditional model."""
    folder = tmp_path_factory.mktemp("seeds")
    painted.write(folder, "of_seeds")
    return folder


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def address(stub: Stub) -> Iterator[str]:
    """The address of the stub."""
    with stubs.serve(stub) as address:
        yield address
