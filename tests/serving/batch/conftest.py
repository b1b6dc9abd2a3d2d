"""Small models of every kind, written once."""

import pathlib

import pytest

from tests.serving.batch import painted


@pytest.fixture(scope="session")
def painted_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An export that draws captions."""
    folder = tmp_path_factory.mktemp("painted")
    painted.write(folder)
    return folder
