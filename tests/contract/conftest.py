"""Every promise is tested against every system."""

import pathlib

import pytest

from tests.contract.games import train
from tests.tiny import TINY, VARIANTS
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import MATCHING_MODELS, Recipe

CASES = [pytest.param(recipe, id=name) for name, recipe in TINY.items()] + [
    pytest.param(recipe, id=name, marks=pytest.mark.slow) for name, recipe in VARIANTS.items()
]
DRAWING_CASES = [case for case in CASES if case.values[0].model not in MATCHING_MODELS]


@pytest.fixture(params=CASES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


@pytest.fixture(params=DRAWING_CASES)
def drawing_recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


@pytest.fixture(scope="session")
def runs() -> dict[Recipe, RunDirectory]:
    return {}


@pytest.fixture
def trained(
    drawing_recipe: Recipe,
    runs: dict[Recipe, RunDirectory],
    data_dir: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDirectory:
    """Two steps of a system that draws, made once for all tests."""
    if drawing_recipe not in runs:
        path = tmp_path_factory.mktemp("run") / "run"
        runs[drawing_recipe] = train(drawing_recipe, data_dir, path, steps=2)
    return runs[drawing_recipe]
