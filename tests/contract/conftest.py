"""Every promise is tested against every system."""

import pathlib

import pytest

from tests import digits
from tests.contract.cases import CASES, DRAWING_CASES, LARGEST_IMAGE_PX
from tests.contract.games import train
from tfgan2.data import records
from tfgan2.models import auto_write
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import Recipe


@pytest.fixture(params=CASES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


@pytest.fixture(params=DRAWING_CASES)
def drawing_recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


@pytest.fixture(autouse=True)
def small_auto_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its discriminator is of one size, whose convolutions take seconds in float16 on a CPU."""
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_CHANNELS", (4, 8))
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_UNITS", 16)


@pytest.fixture(scope="session")
def data_dir(digits_file: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The tiny digits, large enough for every recipe."""
    target = tmp_path_factory.mktemp("data") / "digits"
    digits.prepare(digits_file, target, image_size=LARGEST_IMAGE_PX)
    return target


@pytest.fixture(scope="session")
def manifest(data_dir: pathlib.Path) -> records.Manifest:
    return records.load_manifest(data_dir)


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
