"""Fixtures that run each contract test with every system."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests import digits
from tests.contract.cases import DRAWING_CASES, LARGEST_IMAGE_PX, RECIPES, Case
from tests.contract.runs import IMAGES_PER_EPOCH, make_batches, make_gan, make_tokenizer, train
from tfgan2.adversarial.gan import GAN
from tfgan2.data import records
from tfgan2.models.auto_write import networks as auto_write
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Built:
    """A system that runs eagerly, its batches, and the initial values of its variables."""

    gan: GAN
    batches: tf.data.Dataset
    start: list[np.ndarray]


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


@pytest.fixture(params=DRAWING_CASES)
def drawing_case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(autouse=True)
def small_auto_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller discriminator: the published convolutions take seconds in float16 on a CPU."""
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
def built() -> dict[Recipe, Built]:
    return {}


@pytest.fixture
def system(
    recipe: Recipe,
    built: dict[Recipe, Built],
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tmp_path: pathlib.Path,
) -> tuple[GAN, tf.data.Dataset]:
    """A system with its initial weights, and its batches; built once for all tests."""
    if recipe not in built:
        tokenizer = make_tokenizer(recipe, tmp_path, manifest)
        gan = make_gan(recipe, tokenizer, run_eagerly=True)
        batches = make_batches(recipe, data_dir, manifest, tokenizer)
        built[recipe] = Built(gan, batches, [variable.numpy() for variable in gan.variables])
    gan, start = built[recipe].gan, built[recipe].start
    gan.compile(optimizers=gan.make_optimizers(IMAGES_PER_EPOCH), run_eagerly=True)
    for variable, value in zip(gan.variables, start, strict=True):
        variable.assign(value)
    return gan, built[recipe].batches


@pytest.fixture(scope="session")
def runs() -> dict[Case, RunDirectory]:
    return {}


def trained_run(
    case: Case,
    runs: dict[Case, RunDirectory],
    data_dir: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDirectory:
    """A run of two steps with a checkpoint of each; trained once per session."""
    if case not in runs:
        path = tmp_path_factory.mktemp("run") / "run"
        runs[case] = train(case, data_dir, path, steps=2)
    return runs[case]


@pytest.fixture
def trained(
    drawing_case: Case,
    runs: dict[Case, RunDirectory],
    data_dir: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDirectory:
    """A run of a system that generates images; tests only read it."""
    return trained_run(drawing_case, runs, data_dir, tmp_path_factory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups tests by system, so that one test process trains the run of a system once."""

    def system_name(item: pytest.Item) -> str:
        here = item.path.parent == pathlib.Path(__file__).parent
        return item.callspec.id.partition("-")[0] if here and hasattr(item, "callspec") else ""

    first = next((n for n, item in enumerate(items) if system_name(item)), None)
    if first is not None:
        ours = [item for item in items if system_name(item)]
        others = [item for item in items if not system_name(item)]
        items[:] = others[:first] + sorted(ours, key=system_name) + others[first:]
