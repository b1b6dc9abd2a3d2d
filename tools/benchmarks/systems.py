"""Finds the recipe to measure, by the name of a system or as a file."""

import pathlib

from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes

# Published recipe of each system.
SYSTEMS = {
    "df_gan": "cub_df_gan",
    "paired_gan": "cub_paired_gan",
    "stack_gan": "cub_stack_gan_stage1",
    "gan_cls": "flowers_gan_cls",
    "img_txt": "digits_img_txt",
    "auto_write": "digits_auto_write",
}
# Prefix of recipes with grey images.
GREY = "digits_"


def flagfile(name: str, *, flag: str) -> pathlib.Path:
    """Finds the file of a recipe.

    Args:
      name: a system, a recipe of this package, or a flagfile.
      flag: flag that gave the name, for error messages.

    Raises:
      UsageError: the file does not exist, or its system has no generator.
    """
    path = shipped_recipes.files().get(SYSTEMS.get(name, name), pathlib.Path(name))
    if not path.is_file():
        rule = f"must be one of {', '.join(SYSTEMS)}, a recipe of this package or a flagfile"
        raise UsageError(flag, rule, name)
    model = recipes.from_flagfile(path).model
    if model in recipes.MATCHING_MODELS:
        raise UsageError(flag, "must be a system that draws", model)
    return path


def image_channels(path: pathlib.Path) -> int:
    """Returns the channels of synthetic images for a recipe file: 1 or 3."""
    return 1 if path.stem.startswith(GREY) else 3
