"""Every shipped recipe can be read, fits its system and has its published values."""

import dataclasses
import pathlib

import pytest

import tfgan2.recipes
from tests import tiny
from tfgan2.adversarial.losses import LOSSES
from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.pretrained import SHARED_BY_STAGES
from tfgan2.text.char_cnn_rnn import VARIANTS
from tfgan2.text.options import CHARACTER_ENCODERS
from tfgan2.training import checks

FILES = sorted(pathlib.Path(tfgan2.recipes.__path__[0]).glob("*.flags"))


def test_flag_choices_match_the_implementations() -> None:
    (loss,) = (field for field in dataclasses.fields(recipes.Recipe) if field.name == "loss")
    assert loss.metadata["choices"] == LOSSES
    assert [name.removeprefix("char_cnn_rnn_") for name in CHARACTER_ENCODERS] == [*VARIANTS]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_recipe_fits_its_system(path: pathlib.Path) -> None:
    recipe = recipes.from_flagfile(path)
    recipe.check()
    checks.check_foreign_options(recipe)


def test_tiny_recipes_have_only_options_of_their_systems() -> None:
    for recipe in (*tiny.TINY.values(), *tiny.VARIANTS.values()):
        checks.check_foreign_options(recipe)


@pytest.mark.parametrize("model", recipes.OPTIONS)
def test_option_of_another_system_is_refused_by_name(model: str) -> None:
    own = recipes.option_names(model)
    foreign = [field for field in dataclasses.fields(recipes.Recipe) if field.name not in own]
    assert len(foreign) >= 17
    for field in foreign:
        choices = field.metadata["choices"]
        value = choices[-1] if choices else not field.default if field.type is bool else 3
        recipe = recipes.Recipe(model=model, **{field.name: value})
        rule = f"--{field.name}: must be {field.default} for {model}, which (has no|is without)"
        with pytest.raises(UsageError, match=rf"^{rule} .*, got {value}$"):
            checks.check_foreign_options(recipe)


def test_every_option_belongs_to_a_system() -> None:
    names = {name for model in recipes.OPTIONS for name in recipes.option_names(model)}
    assert names == {field.name for field in dataclasses.fields(recipes.Recipe)}
    for model, options in recipes.OPTIONS.items():
        recipe = recipes.Recipe(model=model)
        assert type(recipes.options_of(recipe)) is options
        assert issubclass(recipes.system_class(recipe), MultiUpdateModel)


@pytest.mark.parametrize("name", ["cub", "coco", "flowers"])
def test_published_recipes_have_the_published_figures(name: str) -> None:
    (path,) = (path for path in FILES if path.stem == f"{name}_df_gan")
    recipe = recipes.from_flagfile(path)
    assert (recipe.generator_learning_rate, recipe.discriminator_learning_rate) == (1e-4, 4e-4)
    assert (recipe.adam_beta1, recipe.adam_beta2, recipe.adam_epsilon) == (0.0, 0.9, 1e-8)
    assert {recipe.generator_optimizer, recipe.discriminator_optimizer} == {"pytorch_adam"}
    assert (recipe.ma_gp_weight, recipe.ma_gp_power, recipe.ma_gp_norm) == (2.0, 6.0, "joint")
    assert (recipe.image_size, recipe.batch_size, recipe.latent_size) == (256, 32, 100)
    assert (recipe.generator_form, recipe.discriminator_form) == ("2022", "2022")
    assert (recipe.text_encoder_kind, recipe.sentence_size) == ("bi_lstm", 256)
    assert (recipe.max_words, recipe.sampling_max_words) == (18, 1000)
    assert recipe.freeze_text_encoder
    assert recipe.no_ema
    assert recipe.truncation == 0.88
    assert round(recipe.image_size * recipe.crop_margin) == 304


def of(name: str) -> recipes.Recipe:
    (path,) = (path for path in FILES if path.stem == name)
    return recipes.from_flagfile(path)


@pytest.mark.parametrize(
    ("name", "image_size", "halving"),
    [
        ("cub_stack_gan_stage1", 64, 50),
        ("cub_stack_gan_stage2", 256, 100),
        ("flowers_gan_cls", 64, 100),
    ],
)
def test_recipes_derived_from_gan_cls_have_its_figures(
    name: str, image_size: int, halving: float
) -> None:
    recipe = of(name)
    assert (recipe.image_size, recipe.batch_size) == (image_size, 64)
    assert (recipe.generator_learning_rate, recipe.discriminator_learning_rate) == (2e-4, 2e-4)
    assert (recipe.adam_beta1, recipe.adam_beta2, recipe.adam_epsilon) == (0.5, 0.999, 1e-8)
    assert recipe.learning_rate_halving_epochs == halving
    assert (recipe.loss, recipe.mismatch_weight) == ("bce", 1.0)
    assert (recipe.generator_channels, recipe.discriminator_channels) == (128, 64)
    assert recipe.discriminator_batch_norm
    assert recipe.no_ema
    assert recipe.horizontal_flip


def test_recipes_of_both_stages_fit_each_other() -> None:
    for data in ("cub", "emoji"):
        one, two = of(f"{data}_stack_gan_stage1"), of(f"{data}_stack_gan_stage2")
        assert (one.stage, two.stage) == (1, 2)
        assert two.image_size == 4 * one.image_size
        assert [getattr(one, name) for name in SHARED_BY_STAGES] == [
            getattr(two, name) for name in SHARED_BY_STAGES
        ]
    assert (of("cub_stack_gan_stage1").kl_weight, of("cub_stack_gan_stage2").kl_weight) == (2, 2)
    assert of("cub_stack_gan_stage1").captions_per_image == 4
    assert of("cub_stack_gan_stage1").mismatch_other_class


def test_flowers_recipe_has_the_text_encoder_of_its_project() -> None:
    recipe = of("flowers_gan_cls")
    assert (recipe.text_encoder_kind, recipe.word_embedding_size) == ("lstm", 256)
    assert (recipe.sentence_size, recipe.text_size, recipe.latent_size) == (128, 128, 512)
    assert round(recipe.image_size * recipe.crop_margin) == 79
    # The project trained for 50 epochs over 8,000 images.
    assert recipe.ranking_images == 50 * 8000
    assert recipe.ranking_learning_rate == 2e-4


def test_digits_recipe_of_auto_write_has_the_published_figures() -> None:
    recipe = of("digits_auto_write")
    assert (recipe.image_size, recipe.batch_size, recipe.latent_size) == (28, 50, 100)
    assert (recipe.generator_learning_rate, recipe.discriminator_learning_rate) == (1e-4, 3e-4)
    assert recipe.warm_up_steps == 300
    assert (recipe.adam_beta1, recipe.adam_beta2) == (0.9, 0.999)


@pytest.mark.parametrize("line", ["--no_such_flag=1", "--image_size=x", "--image_size=0"])
def test_invalid_flagfiles_are_refused(line: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other.flags"
    path.write_text(line)
    for file in (path, tmp_path / "none.flags"):
        with pytest.raises(UsageError, match=r"must be a flagfile of tfgan2\.train"):
            recipes.from_flagfile(file)
