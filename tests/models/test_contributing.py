"""The system in CONTRIBUTING.md trains in both precisions, and generates images."""

import dataclasses
import pathlib
import sys
import types

import numpy as np
import pytest

from tests.contract.runs import train_to, without_sample_grids
from tests.tiny import QUICK
from tfgan2.models import options as model_options
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> recipes.Recipe:
    """A recipe of the system, which is registered as CONTRIBUTING.md says."""
    module = types.ModuleType("toy")
    monkeypatch.setitem(sys.modules, "toy", module)
    exec((ROOT / "CONTRIBUTING.md").read_text().split("```python")[1].split("```")[0], vars(module))
    bases = (recipes.Recipe, module.ToyOptions)
    recipe = dataclasses.make_dataclass("Recipe", [], bases=bases, frozen=True)
    monkeypatch.setattr(recipes, "Recipe", recipe)
    monkeypatch.setitem(recipes.OPTIONS, "toy", module.ToyOptions)
    monkeypatch.setitem(model_options.MODELS, "toy", "toy:Toy")
    own = {name: getattr(QUICK, name, None) for name in recipes.option_names("toy")}
    options = {"model": "toy", "image_size": 16, "toy_units": 8}
    return recipe(**{**own, **options, "ma_gp_weight": 2.0, "minibatch_group": 2})


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_model_of_contributing_trains_and_generates(
    precision: str, toy: recipes.Recipe, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    with without_sample_grids():
        recipe = dataclasses.replace(toy, precision=precision)
        train_to(2, recipe, data_dir, run.path, checkpoint_every=2, log_every=1)
    assert 'skipped_updates": 1' not in run.metrics_file.read_text()
    sampler, config, _ = load_sampler(run)
    assert config.recipe.toy_units == 8
    images = sampler.sample(["a seven", "a two"], [1, 1], 0.0).images
    assert images.shape == (2, 16, 16, 1)
    assert not np.array_equal(images[0], images[1])
