"""The system in CONTRIBUTING.md can be trained and can draw."""

import dataclasses
import math
import pathlib
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.tiny import QUICK
from tfgan2.models import options as model_options
from tfgan2.models.layers.blocks import DType
from tfgan2.models.matching_aware.model import MatchingAwareGAN
from tfgan2.models.matching_aware.options import MatchingAwareOptions
from tfgan2.options import option
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler
from tfgan2.training import trainer

ROOT = pathlib.Path(__file__).parents[2]
# The names that the code in CONTRIBUTING.md may use.
NAMES = {
    "ClassVar": ClassVar,
    "DType": DType,
    "MatchingAwareGAN": MatchingAwareGAN,
    "MatchingAwareOptions": MatchingAwareOptions,
    "dataclasses": dataclasses,
    "keras": keras,
    "math": math,
    "option": option,
    "tf": tf,
}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_model_in_contributing_trains_and_draws(
    precision: str, data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (ROOT / "CONTRIBUTING.md").read_text().split("```python\n")[1].split("```")[0]
    module = {**NAMES, "__name__": __name__}
    exec(code, module)
    monkeypatch.setattr(recipes, "Recipe", recipe_with(module["ToyOptions"]))
    monkeypatch.setitem(recipes.OPTIONS, "toy", module["ToyOptions"])
    monkeypatch.setitem(model_options.MODELS, "toy", f"{__name__}:Toy")
    monkeypatch.setattr(f"{__name__}.Toy", module["Toy"], raising=False)
    own = {field.name for field in dataclasses.fields(recipes.Recipe)}
    fields = {name: value for name, value in dataclasses.asdict(QUICK).items() if name in own}
    fields |= {"model": "toy", "image_size": 16, "precision": precision, "toy_units": 8}
    fields |= {"discriminator_head": "joint", "residual_gate_start": 0.0, "ma_gp_weight": 2.0}
    trainer.train(
        recipes.Recipe(**fields),
        recipes.Schedule(checkpoint_every=2, sample_every=100),
        data_dir=data_dir,
        run_dir=tmp_path / "run",
        goal=trainer.Goal(steps=2),
        strategy="one_device",
    )
    sampler, config, _ = load_sampler(RunDirectory(tmp_path / "run"))
    assert config.recipe.toy_units == 8
    images = sampler.sample(["a seven", "a two"], [1, 1], 0.0).images
    assert images.shape == (2, 16, 16, 1)
    assert not np.array_equal(images[0], images[1])


def recipe_with(options: type) -> type:
    """The recipe with the options of one more system."""
    return dataclasses.make_dataclass("Recipe", [], bases=(recipes.Recipe, options), frozen=True)
