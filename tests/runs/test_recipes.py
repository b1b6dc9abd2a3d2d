"""Every recipe that is shipped can be read, and its system built."""

import pathlib

import pytest

import tfgan2.recipes
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes

FILES = sorted(pathlib.Path(tfgan2.recipes.__path__[0]).glob("*.flags"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_names_a_system_that_fits_it(path: pathlib.Path) -> None:
    recipes.model_class(recipes.from_flagfile(path))


@pytest.mark.parametrize("name", ["cub", "coco", "flowers"])
def test_published_recipes_have_the_published_figures(name: str) -> None:
    (path,) = (path for path in FILES if path.stem == f"{name}_df_gan")
    recipe = recipes.from_flagfile(path)
    assert (recipe.generator_learning_rate, recipe.discriminator_learning_rate) == (1e-4, 4e-4)
    assert (recipe.adam_beta1, recipe.adam_beta2, recipe.adam_epsilon) == (0.0, 0.9, 1e-8)
    assert (recipe.ma_gp_weight, recipe.ma_gp_power, recipe.ma_gp_norm) == (2.0, 6.0, "joint")
    assert (recipe.image_size, recipe.batch_size, recipe.latent_size) == (256, 32, 100)
    assert (recipe.generator_form, recipe.discriminator_form) == ("2022", "2022")
    assert (recipe.text_encoder_kind, recipe.sentence_size) == ("bi_lstm", 256)
    assert recipe.freeze_text_encoder
    assert recipe.no_ema
    assert recipe.truncation == 0.88
    assert round(recipe.image_size * recipe.crop_margin) == 304


@pytest.mark.parametrize("line", ["--no_such_flag=1", "--image_size=x", "--image_size=0"])
def test_other_flagfiles_are_refused(line: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other.flags"
    path.write_text(line)
    for file in (path, tmp_path / "none.flags"):
        with pytest.raises(UsageError, match=r"must be a flagfile of tfgan2\.train"):
            recipes.from_flagfile(file)
