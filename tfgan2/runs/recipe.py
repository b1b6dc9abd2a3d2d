"""The recipe of a run: a frozen dataclass, its flags, and its part of config.json.

This module imports TensorFlow only to load a system, so `--help` needs no TensorFlow.
"""

import dataclasses
import importlib
import os
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from absl import flags

from tfgan2.models.auto_write.options import AutoWriteOptions
from tfgan2.models.df_gan.options import DFGANOptions
from tfgan2.models.gan_cls.options import GANCLSOptions
from tfgan2.models.img_txt.options import ImgTxtOptions
from tfgan2.models.matching.options import DAMSMOptions, MatchingOptions
from tfgan2.models.options import MODELS, SystemOptions
from tfgan2.models.paired_gan.options import PairedGANOptions
from tfgan2.models.stack_gan.options import StackGANOptions
from tfgan2.options import Options, option
from tfgan2.program import UsageError
from tfgan2.runs import shipped_recipes
from tfgan2.text.options import LETTERS, TextOptions

if TYPE_CHECKING:
    import tf_keras as keras

    from tfgan2.adversarial.multi_update import MultiUpdateModel
    from tfgan2.data import pipeline

Part = TypeVar("Part", bound=Options)

# Options of each system.
OPTIONS: dict[str, type[SystemOptions]] = {
    "df_gan": DFGANOptions,
    "paired_gan": PairedGANOptions,
    "auto_write": AutoWriteOptions,
    "img_txt": ImgTxtOptions,
    "gan_cls": GANCLSOptions,
    "stack_gan": StackGANOptions,
    "damsm": DAMSMOptions,
    "sje": MatchingOptions,
}
MATCHING_MODELS = ("damsm", "sje")
GOALS = ("steps", "epochs")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class Recipe(
    DFGANOptions,
    PairedGANOptions,
    GANCLSOptions,
    StackGANOptions,
    ImgTxtOptions,
    AutoWriteOptions,
    DAMSMOptions,
):
    """Data: options of every run; with the options of all systems, of which a run uses its own."""

    batch_size: int = option(32, "images per global batch, over all replicas", low=2)
    precision: str = option(
        "auto",
        "dtype policy of forward and backward passes; auto: mixed_float16 on GPUs, mixed_bfloat16 "
        "on CPUs with AMX, else float32",
        choices=PRECISIONS,
    )
    crop_margin: float = option(
        1.0,
        "resize factor before cropping: images are resized to crop_margin * --image_size; training "
        "crops at random, evaluation at the centre; 1: no crop; photographs: 1.1875",
        low=1.0,
        high=4.0,
    )
    horizontal_flip: bool = option(False, "mirrors half of the training images")

    def check(self) -> None:
        """Checks the options of the system."""
        options_of(self).check()

    def differences(self, other: "Recipe") -> list[str]:
        """Names of the fields that differ from another recipe."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return [name for name in mine if mine[name] != others[name]]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Schedule and execution: options that may change when a run resumes."""

    checkpoint_every: int = option(500, "steps between checkpoints", low=1)
    sample_every: int = option(500, "steps between sample grids", low=1)
    evaluate_every: int = option(0, "steps between evaluations; 0: never", low=0)
    log_every: int = option(50, "steps between lines of metrics.jsonl", low=1)
    histogram_every: int = option(
        0, "steps between TensorBoard histograms of all weights; 0: never", low=0
    )
    max_bad_steps: int = option(
        20, "consecutive steps with non-finite values that end the run", low=1
    )
    keep_checkpoints: int = option(3, "number of newest checkpoints kept", low=1)
    keep_best: str = option(
        "none",
        "metric that selects the best checkpoint, which is also kept; none: no best checkpoint",
        choices=("none", "agreement", "diversity", "kid"),
    )
    steps_per_execution: int = option(
        1, "steps per graph call; logs and checkpoints are written between calls", low=1
    )
    accumulate_gradients: int = option(
        1,
        "micro-batches per step, whose gradients are added; less memory, the same update within "
        "rounding; batch normalization uses the rows of a micro-batch",
        low=1,
    )
    jit_compile: bool = option(False, "compiles the step with XLA; only on one device")
    cache_mb: int = option(
        512, "MiB of memory to cache decoded images; used only if all images fit", low=0
    )


def define_flags(
    kind: type,
    *,
    only: Collection[str] | None = None,
    optional: bool = False,
    into: flags.FlagValues = flags.FLAGS,
) -> list[str]:
    """Defines flags for fields of `Recipe` or `Schedule`, and returns their names.

    Args:
      kind: `Recipe` or `Schedule`.
      only: names of the fields; None: all fields.
      optional: whether the flags have the default None, which shows which flags are given.
      into: flag values in which the flags are defined.
    """
    fields = [field for field in dataclasses.fields(kind) if only is None or field.name in only]
    for field in fields:
        rules, default = field.metadata, None if optional else cast(Any, field.default)
        if rules["choices"]:
            choices = rules["choices"]
            flags.DEFINE_enum(field.name, default, choices, rules["help"], flag_values=into)
        elif field.type is bool:
            flags.DEFINE_bool(field.name, default, rules["help"], flag_values=into)
        elif field.type is str:
            flags.DEFINE_string(field.name, default, rules["help"], flag_values=into)
        else:
            define = flags.DEFINE_integer if field.type is int else flags.DEFINE_float
            limits = (rules["low"], rules["high"])
            define(field.name, default, rules["help"], *limits, flag_values=into)
    return [field.name for field in fields]


def from_flags(kind: type, values: flags.FlagValues) -> Any:
    """Reads a `Recipe` or a `Schedule` from its flags."""
    return kind(**{field.name: values[field.name].value for field in dataclasses.fields(kind)})


def from_flagfile(path: str | os.PathLike) -> Recipe:
    """Reads the recipe of a flagfile of `tfgan2.train`.

    Raises:
      UsageError: the file cannot be read, or has other flags.
    """
    values = flags.FlagValues()
    shipped_recipes.define_flag(into=values)
    for kind in (Recipe, Schedule):
        define_flags(kind, into=values)
    for goal in GOALS:
        flags.DEFINE_float(goal, None, "goal of the run", flag_values=values)
    try:
        values(shipped_recipes.expand(["recipe", f"--flagfile={path}"], values))
    except flags.Error as error:
        raise UsageError(str(path), "must be a flagfile of tfgan2.train", error) from error
    return from_flags(Recipe, values)


def from_json(fields: Mapping[str, Any], *, version: str | None) -> Recipe:
    """Reads a recipe from its part of config.json.

    A field that is newer than the run's version may be absent: its default keeps the behaviour of
    that version.

    Args:
      fields: values by field name.
      version: version of tfgan2 that started the run, such as `0.1.0`; None if unknown.

    Raises:
      ValueError: fields are missing or unknown.
    """
    since = {field.name: field.metadata["since"] for field in dataclasses.fields(Recipe)}
    absent = since.keys() - fields.keys()
    may_be_absent = {
        name for name in absent if version and _comparable(since[name]) > _comparable(version)
    }
    invalid = (absent - may_be_absent) | (fields.keys() - since.keys())
    if invalid:
        raise ValueError(f"fields must be those of a recipe, differ in {invalid}")
    if "penalty_every" in absent and fields["model"] != "df_gan":
        # Before 0.2.0 all systems had DF-GAN's default MA-GP weight, but only DF-GAN used MA-GP.
        fields = {**fields, "ma_gp_weight": 0.0}
    if "word_rules" in absent and "word_rules" in option_names(fields["model"]):
        # Before 0.3.0 there were no other rules.
        fields = {**fields, "word_rules": LETTERS}
    return Recipe(**fields)


def _comparable(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def view(recipe: Recipe) -> "pipeline.View":
    """Image size, crop and mirroring of the input pipeline, from a recipe."""
    from tfgan2.data import pipeline

    return pipeline.View(
        image_size=recipe.image_size,
        crop_margin=recipe.crop_margin,
        horizontal_flip=recipe.horizontal_flip,
    )


def text_options(recipe: Recipe) -> TextOptions:
    """Options of the text encoder, from a recipe."""
    return _part(recipe, TextOptions)


def options_of(recipe: Recipe) -> SystemOptions:
    """Options of the recipe's system."""
    return _part(recipe, OPTIONS[recipe.model])


def option_names(model: str) -> list[str]:
    """Names of the fields of a recipe that runs of a system have."""
    own = {name: {it.name for it in dataclasses.fields(kind)} for name, kind in OPTIONS.items()}
    others = set().union(*own.values()) - own[model]
    return [field.name for field in dataclasses.fields(Recipe) if field.name not in others]


def system_class(recipe: Recipe) -> "type[MultiUpdateModel]":
    """Imports the system of a recipe."""
    module, name = MODELS[recipe.model].split(":")
    return getattr(importlib.import_module(module), name)


def build_model(
    recipe: Recipe,
    *,
    image_channels: int,
    vocabulary_size: int,
    dtype: "keras.mixed_precision.Policy | str",
    earlier_images: int = 0,
) -> "MultiUpdateModel":
    """Builds the recipe's system with new weights; `compile` sets the optimizers.

    Args:
      recipe: the recipe.
      image_channels: 1 or 3.
      vocabulary_size: number of ids of the tokenizer, padding included.
      dtype: dtype policy of the live networks.
      earlier_images: images that the run of `--init_from` has trained on, for the ramp-up of the
        EMA.

    Raises:
      UsageError: an option or a combination of options is not allowed for the system.
    """
    from tfgan2.adversarial.ema import EMA

    recipe.check()
    system: Any = system_class(recipe)
    model = system(
        options_of(recipe),
        image_channels=image_channels,
        vocabulary_size=vocabulary_size,
        ema=EMA(
            half_life_images=0.0 if recipe.no_ema else recipe.ema_half_life_images,
            ramp_up=recipe.ema_ramp_up,
            batch_size=recipe.batch_size,
            earlier_images=earlier_images,
        ),
        dtype=dtype,
    )
    if recipe.freeze_discriminator_blocks:
        model.freeze_discriminator_blocks(recipe.freeze_discriminator_blocks)
    return model


def _part(recipe: Recipe, kind: type[Part]) -> Part:
    """Options of one kind, from a recipe."""
    return kind(**{field.name: getattr(recipe, field.name) for field in dataclasses.fields(kind)})
