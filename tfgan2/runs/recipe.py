"""The recipe of a run: a frozen dataclass, its flags, and its part of config.json.

This module imports TensorFlow only to load a system, so `--help` needs no TensorFlow.
"""

import dataclasses
import importlib
import os
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

from absl import flags

from tfgan2.program import UsageError
from tfgan2.text.options import ENCODERS, TextOptions

if TYPE_CHECKING:
    import tf_keras as keras

    from tfgan2.adversarial.gan import GAN
    from tfgan2.data import pipeline

MODELS = {
    "df_gan": "tfgan2.models.df_gan.model:DFGAN",
    "auto_write": "tfgan2.models.auto_write.model:AutoWrite",
    "img_txt": "tfgan2.models.img_txt.model:ImgTxt",
    "gan_cls": "tfgan2.models.gan_cls.model:GANCLS",
    "stack_gan": "tfgan2.models.stack_gan.model:StackGAN",
    "damsm": "tfgan2.models.matching.model:DAMSM",
    "sje": "tfgan2.models.matching.model:SJE",
}
MATCHING_MODELS = ("damsm", "sje")
OTHER_FORMS = ("torch", "torch_int", "tensorlayer", "tensorflow", "pytorch")
GOALS = ("steps", "epochs")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


def option(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    since: str = "0.1.0",
) -> Any:
    """Declares a field that is also a flag.

    Args:
      default: default of the field and the flag.
      text: help text of the flag.
      low: smallest value, for numbers.
      high: largest value, for numbers.
      choices: allowed values, for strings.
      since: first version of tfgan2 that has the field.
    """
    rules = {"help": text, "low": low, "high": high, "choices": choices, "since": since}
    return dataclasses.field(default=default, metadata=rules)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Options that define a run and stay fixed when the run resumes."""

    model: str = option("df_gan", "system to train", choices=tuple(MODELS))
    seed: int = option(0, "seed of all random numbers of the run", low=0, high=2**31 - 1)
    batch_size: int = option(32, "images per global batch, over all replicas", low=2)
    image_size: int = option(64, "image side in px", low=1)
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
    truncation: float = option(
        1.0, "default truncation of latents in sampling, in (0, 1]; 1: off", low=0.01, high=1.0
    )
    captions_per_image: int = option(
        1, "captions per training image; their sentence embeddings are averaged", low=1
    )
    mismatch_other_class: bool = option(
        False, "mismatched caption: closest earlier row with a different label; off: previous row"
    )
    text_encoder_kind: str = option(
        "word_cnn",
        "text encoder; --text_encoder replaces this by its run's kind; word_cnn: small, trained "
        "with the GAN; bi_lstm: DAMSM's; lstm: the flowers project's; char_cnn_rnn_...: on "
        "characters, from the code of the named paper",
        choices=ENCODERS,
    )
    freeze_text_encoder: bool = option(False, "freezes the text encoder of --text_encoder")
    max_words: int = option(18, "maximum number of known words read per caption", low=1)
    word_embedding_size: int = option(300, "length of a word embedding in bi_lstm and lstm", low=1)
    sentence_size: int = option(256, "length of a sentence embedding; bi_lstm: even", low=2)
    latent_size: int = option(100, "length of a latent", low=1)
    latent_signs: int = option(
        0,
        "number of latent values of auto_write that are replaced by their signs, so that no images "
        "lie between two kinds of images; at most --latent_size; published: 0",
        low=0,
        since="0.2.0",
    )
    generator_form: str = option(
        "2022",
        "generator architecture; 2022, 2020: DF-GAN's published code; torch, torch_int, "
        "tensorlayer: GAN-CLS; tensorflow, pytorch: StackGAN; rdn: residual dense blocks as in "
        "their paper; imagan: as in IMAGAN's code",
        choices=("2022", "2020", "rdn", "imagan", *OTHER_FORMS),
    )
    generator_channels: int = option(
        32,
        "base channels of the generator, at full image size; gan_cls, stack_gan, img_txt: at half",
        low=1,
    )
    first_channels: int = option(
        1,
        "channels of the first feature map, 56 px, of auto_write's generator; published: 1",
        low=1,
        since="0.2.0",
    )
    second_channels: int = option(
        0,
        "channels of the second feature map of auto_write's generator; the third map has half as "
        "many; 0: half of --latent_size, as published",
        low=0,
        since="0.2.0",
    )
    discriminator_form: str = option(
        "2022",
        "discriminator architecture; 2022: DF-GAN's published code; 2020: twice as wide; unet: "
        "U-Net with pixel logits; others: as for --generator_form",
        choices=("2022", "2020", "unet", *OTHER_FORMS),
    )
    discriminator_channels: int = option(
        32,
        "base channels of the discriminator, at full image size; gan_cls, stack_gan, img_txt: at "
        "half",
        low=1,
    )
    discriminator_head: str = option(
        "joint",
        "combination of image features and sentence embedding; joint: concatenation, as published; "
        "projection: inner product, which follows captions earlier on small data sets",
        choices=("joint", "projection"),
    )
    discriminator_text: bool = option(
        True, "conditional discriminator of gan_cls; off: unconditional, without the caption"
    )
    discriminator_batch_norm: bool = option(
        True,
        "batch normalization in the discriminator of gan_cls, stack_gan and img_txt; off: rows do "
        "not depend on each other, as R1 requires",
    )
    residual_gate_start: float = option(
        0.0,
        "initial value of the discriminator's residual gates; above 0: stronger from the start",
    )
    text_size: int = option(128, "length of the reduced sentence embedding in gan_cls", low=1)
    stage: int = option(
        1,
        "stage of stack_gan; 2: enlarges images of the stage-I run --stage1_run_dir",
        low=1,
        high=2,
    )
    conditioning_size: int = option(
        128, "length of the condition in stack_gan's conditioning augmentation", low=1
    )
    kl_weight: float = option(
        2.0, "weight of the KL divergence of conditions in stack_gan and img_txt", low=0.0
    )
    interpolation: str = option(
        "none",
        "interpolated captions for the generator of gan_cls (GAN-INT); midpoint: mean of two "
        "sentence embeddings; random: interpolation weights from -1/2 to 3/2",
        choices=("none", "midpoint", "random"),
    )
    interpolation_weight: float = option(
        1.0, "weight of the interpolated captions in the generator loss", low=0.0
    )
    ranking_images: int = option(
        0,
        "number of first images on which gan_cls trains the text encoder with a ranking loss; then "
        "the encoder stays fixed; 0: the discriminator update trains an unfrozen text encoder",
        low=0,
    )
    ranking_learning_rate: float = option(2e-4, "learning rate of Adam for ranking", low=0.0)
    text_source: str = option(
        "caption",
        "texts that img_txt generates: captions, label names, or label numbers",
        choices=("caption", "label", "label_number"),
    )
    shared_layers: int = option(
        1, "layers of img_txt's generator shared by image and text; published: 1", low=1, high=4
    )
    condition_rate: float = option(
        0.25,
        "fraction of img_txt's rows with a given text; the same fraction has a given image",
        low=0.0,
        high=0.5,
    )
    discriminator_update: str = option(
        "separate",
        "discriminator updates of auto_write; separate: one optimizer for real and one for "
        "generated images, as published; joint: one update for both",
        choices=("separate", "joint"),
        since="0.2.0",
    )
    warm_up_steps: int = option(
        300, "first steps of auto_write, which train only the discriminator", low=0
    )
    loss: str = option(
        "hinge",
        "adversarial loss; hinge: as DF-GAN; bce: binary cross-entropy, as the other systems; "
        "relativistic: pairs of real and generated images, which with R1 and R2 keeps the samples "
        "of a caption diverse",
        choices=("hinge", "bce", "relativistic"),
    )
    mismatch_weight: float = option(
        1.0, "weight of mismatched pairs relative to generated pairs", low=0.0
    )
    ma_gp_weight: float = option(
        0.0, "weight of the matching-aware gradient penalty (MA-GP); 0: off; DF-GAN: 2", low=0.0
    )
    ma_gp_power: float = option(6.0, "exponent of the gradient norm in MA-GP", low=1.0)
    ma_gp_norm: str = option(
        "joint",
        "gradient norm in MA-GP; joint: image and sentence gradient as one vector, as in the "
        "published code; sum: sum of the two norms, as in the paper",
        choices=("joint", "sum"),
    )
    ma_gp_update: str = option(
        "joint",
        "update with MA-GP; joint: term of the discriminator loss; separate: own update after the "
        "discriminator update, as in the code of 2020",
        choices=("joint", "separate"),
    )
    r1_weight: float = option(
        0.0, "weight gamma of R1, the gradient penalty at real images; 0: off", low=0.0
    )
    r2_weight: float = option(
        0.0, "weight gamma of R2, the gradient penalty at generated images; 0: off", low=0.0
    )
    penalty_every: int = option(
        1,
        "lazy regularization interval in steps: MA-GP, R1 and R2 run in the last step of each "
        "interval, with weights multiplied by the interval",
        low=1,
        since="0.2.0",
    )
    discriminator_spectral_norm: bool = option(
        False,
        "spectral normalization of all discriminator kernels",
        since="0.2.0",
    )
    minibatch_group: int = option(
        0,
        "group size, in images, of the minibatch standard deviation in the discriminator; 0: off",
        low=0,
        since="0.2.0",
    )
    label_smoothing: float = option(
        0.0,
        "one-sided label smoothing for --loss=bce: real pairs have label 1 - label_smoothing; "
        "0: off",
        low=0.0,
        high=0.5,
        since="0.2.0",
    )
    discriminator_steps: int = option(
        1,
        "discriminator steps per generator step (n_critic); each step has its own batch",
        low=1,
        since="0.2.0",
    )
    cutmix_weight: float = option(
        0.0,
        "weight of the CutMix and consistency losses, for --discriminator_form=unet; 0: off",
        low=0.0,
    )
    cutmix_warm_up_images: int = option(
        0, "images over which the CutMix weight rises from 0; 0: no warm-up", low=0
    )
    mode_seeking_weight: float = option(
        0.0,
        "weight of the mode-seeking loss, which keeps images of one caption diverse; 0: off",
        low=0.0,
    )
    augment_translation_px: int = option(
        0, "largest random shift, in px, of the discriminator's input images; 0: off", low=0
    )
    augment_color: bool = option(
        False,
        "random brightness, saturation and contrast of the discriminator's input images",
        since="0.2.0",
    )
    augment_cutout: float = option(
        0.0,
        "side of the square cut out of the discriminator's input images, as a fraction of the "
        "image side; 0: off",
        low=0.0,
        high=1.0,
        since="0.2.0",
    )
    augment_probability: float = option(
        1.0,
        "probability of each --augment operation for each image",
        low=0.0,
        high=1.0,
        since="0.2.0",
    )
    ada_target: float = option(
        0.0,
        "target of r_t, the mean sign of the logits of real images (ADA); the augmentation "
        "probability starts at 0 and follows r_t; published: 0.6; 0: fixed probability",
        low=0.0,
        high=0.99,
        since="0.2.0",
    )
    ada_images: int = option(
        500_000,
        "fewest images in which the ADA probability can rise from 0 to 1",
        low=1,
        since="0.2.0",
    )
    generator_optimizer: str = option(
        "adam",
        "generator optimizer: a Keras name, or on the TensorFlow Addons line a name such as "
        "addons.LAMB or addons.Lookahead(adam, sync_period=5)",
        since="0.2.0",
    )
    discriminator_optimizer: str = option(
        "adam", "discriminator optimizer, as for --generator_optimizer", since="0.2.0"
    )
    generator_learning_rate: float = option(1e-4, "learning rate of the generator", low=0.0)
    discriminator_learning_rate: float = option(4e-4, "learning rate of the discriminator", low=0.0)
    learning_rate_halving_epochs: float = option(
        0.0, "epochs between halvings of the learning rates; 0: never", low=0.0
    )
    learning_rate_linear_from_epochs: float = option(
        0.0,
        "epochs before the learning rates start to decay linearly",
        low=0.0,
        since="0.2.0",
    )
    learning_rate_linear_to_epochs: float = option(
        0.0,
        "epochs after which the linear decay reaches 0; 0: no linear decay",
        low=0.0,
        since="0.2.0",
    )
    adam_beta1: float = option(
        0.0, "beta1 of Adam and other optimizers with beta1", low=0.0, high=0.9999
    )
    adam_beta2: float = option(
        0.9, "beta2 of Adam and other optimizers with beta2", low=0.0, high=0.9999
    )
    adam_epsilon: float = option(1e-8, "epsilon of Adam and other optimizers with epsilon", low=0.0)
    ema_half_life_images: float = option(
        10_000.0, "half-life of the EMA of the weights, in images; samples use the EMA", low=1.0
    )
    ema_ramp_up: float = option(
        0.05,
        "EMA ramp-up: largest half-life, as a fraction of the images trained on so far",
        low=1e-6,
    )
    no_ema: bool = option(False, "samples with the live weights instead of their EMA")
    faithful: bool = option(
        False, "keeps the mistakes of the published code of auto_write, img_txt or imagan"
    )
    image_encoder: str = option(
        "small",
        "image encoder of a matching model; small: a few trained convolutions; inception_v3: "
        "Keras's, frozen, followed by trained layers",
        choices=("small", "inception_v3"),
    )
    image_encoder_channels: int = option(
        32, "base channels of the small image encoder, at full image size", low=1
    )
    matching_learning_rate: float = option(2e-3, "learning rate of a matching model", low=0.0)
    matching_learning_rate_decay: float = option(
        0.98,
        "factor of a matching model's learning rate after each epoch; damsm: down to a tenth",
        low=0.01,
        high=1.0,
    )

    def differences(self, other: "Recipe") -> list[str]:
        """Names of the fields that differ from another recipe."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return [name for name in mine if mine[name] != others[name]]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Options that may change when a run resumes: intervals, limits and execution."""

    checkpoint_every: int = option(500, "steps between checkpoints", low=1)
    sample_every: int = option(500, "steps between sample grids", low=1)
    evaluate_every: int = option(0, "steps between evaluations; 0: never", low=0)
    log_every: int = option(50, "steps between lines of metrics.jsonl", low=1)
    histogram_every: int = option(
        0,
        "steps between TensorBoard histograms of all weights; 0: never",
        low=0,
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
    for kind in (Recipe, Schedule):
        define_flags(kind, into=values)
    for goal in GOALS:
        flags.DEFINE_float(goal, None, "goal of the run", flag_values=values)
    try:
        values(["recipe", f"--flagfile={path}"])
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
    wrong = (absent - may_be_absent) | (fields.keys() - since.keys())
    if wrong:
        raise ValueError(f"fields must be those of a recipe, differ in {wrong}")
    if "penalty_every" in absent and fields["model"] != "df_gan":
        # Before 0.2.0 all systems had DF-GAN's default MA-GP weight, but only DF-GAN used MA-GP.
        fields = {**fields, "ma_gp_weight": 0.0}
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
    names = [field.name for field in dataclasses.fields(TextOptions)]
    return TextOptions(**{name: getattr(recipe, name) for name in names})


def system_class(recipe: Recipe) -> "type[GAN]":
    """Imports the system of a recipe."""
    module, name = MODELS[recipe.model].split(":")
    return getattr(importlib.import_module(module), name)


def model_class(recipe: Recipe) -> "type[GAN]":
    """Imports the system of a recipe, and checks the recipe's options.

    Raises:
      UsageError: an option or a combination of options is not allowed for the system.
    """
    system = system_class(recipe)
    # Rules that the system declares.
    for field, allowed in system.allowed(_options(recipe, system)).items():
        value = getattr(recipe, field)
        if value not in allowed:
            names = ("one of " if len(allowed) > 1 else "") + ", ".join(map(str, allowed))
            raise UsageError(f"--{field}", f"must be {names} for {recipe.model}", value)
    _check_remedies(recipe, system)
    # Rules about several options.
    if recipe.captions_per_image > 1 and recipe.model in (*MATCHING_MODELS, "img_txt"):
        rule = f"must be 1 for {recipe.model}"
        raise UsageError("--captions_per_image", rule, recipe.captions_per_image)
    if recipe.model == "auto_write" and (recipe.second_channels or recipe.latent_size // 2) < 2:
        rule = "must be at least 2; or 0, with --latent_size at least 4"
        raise UsageError("--second_channels", rule, recipe.second_channels)
    if recipe.latent_signs > recipe.latent_size:
        rule = f"must be at most --latent_size={recipe.latent_size}"
        raise UsageError("--latent_signs", rule, recipe.latent_signs)
    if recipe.text_encoder_kind == "bi_lstm" and recipe.sentence_size % 2:
        raise UsageError("--sentence_size", "must be even for bi_lstm", recipe.sentence_size)
    if recipe.model == "damsm" and recipe.text_encoder_kind != "bi_lstm":
        rule = "must be bi_lstm for damsm, which compares words"
        raise UsageError("--text_encoder_kind", rule, recipe.text_encoder_kind)
    return system


def _check_remedies(recipe: Recipe, system: Any) -> None:
    from tfgan2.adversarial.remedies import MatchingRemedies

    # Stabilizers that the system does not have must keep their defaults.
    own = {field.name for field in dataclasses.fields(system.options_class)}
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    remedies = {field.name for field in dataclasses.fields(MatchingRemedies)}
    for name in sorted(remedies - own):
        if getattr(recipe, name) != defaults[name]:
            lacks = "captions" if "discriminator_steps" in own else "a discriminator"
            rule = f"must be {defaults[name]} for {recipe.model}, which is without {lacks}"
            raise UsageError(f"--{name}", rule, getattr(recipe, name))
    if recipe.label_smoothing and "loss" in own and recipe.loss != "bce":
        rule = f"must be 0 for --loss={recipe.loss}, which has no labels"
        raise UsageError("--label_smoothing", rule, recipe.label_smoothing)
    if recipe.minibatch_group == 1:
        raise UsageError("--minibatch_group", "must be 0 or at least 2", recipe.minibatch_group)
    operations = ("augment_color", "augment_translation_px", "augment_cutout")
    if recipe.ada_target and not any(getattr(recipe, name) for name in operations):
        rule = f"must be 0 without any of --{', --'.join(operations)}"
        raise UsageError("--ada_target", rule, recipe.ada_target)
    first, last = recipe.learning_rate_linear_from_epochs, recipe.learning_rate_linear_to_epochs
    if (first or last) and first >= last:
        rule = f"must be above --learning_rate_linear_from_epochs={first}"
        raise UsageError("--learning_rate_linear_to_epochs", rule, last)
    if last and recipe.learning_rate_halving_epochs:
        rule = "must be 0 where rates are halved"
        raise UsageError("--learning_rate_linear_to_epochs", rule, last)


def build_model(
    recipe: Recipe,
    *,
    image_channels: int,
    vocabulary_size: int,
    dtype: "keras.mixed_precision.Policy | str",
) -> "GAN":
    """Builds the recipe's system with new weights; `compile` sets the optimizers."""
    from tfgan2.adversarial.ema import EMA

    system: Any = model_class(recipe)
    return system(
        _options(recipe, system),
        image_channels=image_channels,
        vocabulary_size=vocabulary_size,
        ema=EMA(
            half_life_images=0.0 if recipe.no_ema else recipe.ema_half_life_images,
            ramp_up=recipe.ema_ramp_up,
            batch_size=recipe.batch_size,
        ),
        dtype=dtype,
    )


def _options(recipe: Recipe, system: Any) -> Any:
    """Options of the system, an `options_class`, from a recipe."""
    names = [field.name for field in dataclasses.fields(system.options_class)]
    return system.options_class(**{name: getattr(recipe, name) for name in names})
