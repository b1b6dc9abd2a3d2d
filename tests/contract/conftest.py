"""Every promise is tested against every system."""

import pathlib

import pytest

from tests.contract.games import train
from tests.tiny import TINY, VARIANTS
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import Recipe

CASES = [pytest.param(recipe, id=name) for name, recipe in TINY.items()] + [
    pytest.param(recipe, id=name, marks=pytest.mark.slow) for name, recipe in VARIANTS.items()
]


@pytest.fixture(params=CASES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


@pytest.fixture(scope="session")
def runs() -> dict[Recipe, RunDirectory]:
    return {}


@pytest.fixture
def trained(
    recipe: Recipe,
    runs: dict[Recipe, RunDirectory],
    data_dir: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDirectory:
    """Two steps of the recipe, made once for all tests."""
    if recipe not in runs:
        runs[recipe] = train(recipe, data_dir, tmp_path_factory.mktemp("run") / "run", steps=2)
    return runs[recipe]
