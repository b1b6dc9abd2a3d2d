"""--recipe=NAME means the flags of the recipe, at its place in the command line."""

import pathlib

import pytest
from absl import flags

from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes

EMOJI = shipped_recipes.files()["emoji_df_gan"]


@pytest.fixture
def values() -> flags.FlagValues:
    values = flags.FlagValues()
    shipped_recipes.define_flag(into=values)
    for kind in (recipes.Recipe, recipes.Schedule):
        recipes.define_flags(kind, into=values)
    flags.DEFINE_integer("steps", None, "goal", flag_values=values)
    return values


def parsed(values: flags.FlagValues, *arguments: str) -> recipes.Recipe:
    values(shipped_recipes.expand(["train", *arguments], values))
    return recipes.from_flags(recipes.Recipe, values)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--recipe=emoji_df_gan",),
        ("-recipe=emoji_df_gan",),
        ("--recipe", "emoji_df_gan"),
        ("--recipe=digits_df_gan", f"--flagfile={EMOJI}"),
    ],
)
def test_a_named_recipe_equals_its_flagfile(
    arguments: tuple[str, ...],
    values: flags.FlagValues,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    first = [name for name in arguments if "digits" in name]
    recipe = parsed(values, *arguments)
    if not first:
        assert recipe == recipes.from_flagfile(EMOJI)
    assert (recipe.generator_channels, recipe.residual_gate_start) == (16, 1.0)
    assert values["steps"].value == 4500
    assert values["recipe"].value == ("digits_df_gan" if first else "emoji_df_gan")


def test_the_later_one_of_a_recipe_and_a_flag_counts(values: flags.FlagValues) -> None:
    recipe = parsed(
        values, "--batch_size=8", "--seed=5", "--recipe=emoji_df_gan", "--image_size=32"
    )
    assert (recipe.batch_size, recipe.seed, recipe.image_size) == (32, 5, 32)


def test_a_flagfile_can_name_a_recipe(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.flags"
    path.write_text("--batch_size=8\n--recipe=emoji_df_gan\n--image_size=32\n")
    recipe = recipes.from_flagfile(path)
    assert (recipe.batch_size, recipe.image_size, recipe.r1_weight) == (32, 32, 2.0)


@pytest.mark.parametrize("arguments", [("--recipe=emoji",), ("--recipe", "emoji")])
def test_an_unknown_recipe_is_refused_with_all_names(
    arguments: tuple[str, ...], values: flags.FlagValues
) -> None:
    with pytest.raises(flags.IllegalFlagValueError, match=r"emoji_df_gan\|emoji_paired_gan"):
        parsed(values, *arguments)


def test_a_flagfile_is_found_by_name_or_path(tmp_path: pathlib.Path) -> None:
    own = tmp_path / "own.flags"
    own.write_text("--batch_size=8\n")
    assert shipped_recipes.flagfile("emoji_df_gan", flag="--recipe") == EMOJI
    assert shipped_recipes.flagfile(str(own), flag="--recipe") == own
    with pytest.raises(UsageError, match=r"^--recipe: must be a flagfile or one of coco_df_gan, "):
        shipped_recipes.flagfile("emoji", flag="--recipe")
