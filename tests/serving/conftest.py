"""A small model, written once."""

import pathlib

import pytest

from tests.serving import models


@pytest.fixture(scope="session")
def doubler_versions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Versions 1 and 2 of the doubler."""
    path = tmp_path_factory.mktemp("doubler")
    for version in (1, 2):
        models.write_doubler(path, version)
    return path


@pytest.fixture
def base_path(doubler_versions: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """Version 1 alone; others are linked in by tests."""
    path = tmp_path / "doubler"
    path.mkdir()
    (path / "1").symlink_to(doubler_versions / "1")
    return path
