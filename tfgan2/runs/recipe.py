"""Everything that defines a run: one frozen dataclass, its flags, and its part of config.json.

It loads no TensorFlow until a system is asked for: a program that explains its flags needs none.
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
    "df_gan": "tfgan2.models.df_gan:DFGAN",
    "auto_write": "tfgan2.models.auto_write:AutoWrite",
    "img_txt": "tfgan2.models.img_txt:ImgTxt",
    "gan_cls": "tfgan2.models.gan_cls:GANCLS",
    "stack_gan": "tfgan2.models.stack_gan:StackGAN",
    "damsm": "tfgan2.models.matching:DAMSM",
    "sje": "tfgan2.models.matching:SJE",
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
    """A field that is also a flag: default, help text, what it may be, and the first version's."""
    rules = {"help": text, "low": low, "high": high, "choices": choices, "since": since}
    return dataclasses.field(default=default, metadata=rules)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What two runs share if they are the same run."""

    model: str = option("df_gan", "the system to train", choices=tuple(MODELS))
    seed: int = option(0, "of all randomness of the run", low=0, high=2**31 - 1)
    batch_size: int = option(32, "rows of a global batch, over all replicas", low=2)
    image_size: int = option(64, "side of the images in pixels", low=1)
    precision: str = option(
        "auto",
        "of the passes; auto: mixed_float16 on GPUs, mixed_bfloat16 on CPUs with AMX, else float32",
        choices=PRECISIONS,
    )
    crop_margin: float = option(
        1.0,
        "training resizes images to so many times --image_size and crops at random, evaluation "
        "crops the middle; photographs: 1.1875",
        low=1.0,
        high=4.0,
    )
    horizontal_flip: bool = option(False, "training mirrors half of the images")
    truncation: float = option(
        1.0, "of the latents, where a request names none; above 0, at most 1", low=0.01, high=1.0
    )
    captions_per_image: int = option(
        1, "captions of an image that training reads at once, as the mean of their sentences", low=1
    )
    mismatch_other_class: bool = option(
        False, "the wrong caption of an image is that of the nearest row before of another label"
    )
    text_encoder_kind: str = option(
        "word_cnn",
        "what reads captions; --text_encoder brings its own; word_cnn: small, learned with the "
        "GAN, bi_lstm: DAMSM's, char_cnn_rnn_...: by characters, of that paper's code",
        choices=ENCODERS,
    )
    freeze_text_encoder: bool = option(
        False, "the text encoder of --text_encoder does not learn any more"
    )
    max_words: int = option(18, "known words of a caption that are read", low=1)
    word_embedding_size: int = option(300, "length of a word's embedding in bi_lstm", low=1)
    sentence_size: int = option(256, "length of a sentence vector; bi_lstm: even", low=2)
    latent_size: int = option(100, "length of a latent", low=1)
    latent_signs: int = option(
        0,
        "so many values of auto_write's latent count by their sign alone, so that there is nothing "
        "between two kinds of images; at most --latent_size, published: 0",
        low=0,
        since="0.2.0",
    )
    generator_form: str = option(
        "2022",
        "2022 and 2020: of DF-GAN's published code, torch, torch_int and tensorlayer: of GAN-CLS, "
        "tensorflow and pytorch: of StackGAN, rdn: residual dense blocks as in their paper, "
        "imagan: as in IMAGAN's code",
        choices=("2022", "2020", "rdn", "imagan", *OTHER_FORMS),
    )
    generator_channels: int = option(32, "channels of the generator at full size", low=1)
    first_channels: int = option(
        1,
        "of auto_write's generator, in its first map, of 56 px; published: 1",
        low=1,
        since="0.2.0",
    )
    second_channels: int = option(
        0,
        "of auto_write's generator, in its second map, twice those of its third; 0: half of "
        "--latent_size, as published",
        low=0,
        since="0.2.0",
    )
    discriminator_form: str = option(
        "2022",
        "2022: of DF-GAN's published code, 2020: twice as wide, unet: with logits by pixels; "
        "others: as for --generator_form",
        choices=("2022", "2020", "unet", *OTHER_FORMS),
    )
    discriminator_channels: int = option(32, "channels of the discriminator at full size", low=1)
    discriminator_head: str = option(
        "joint",
        "how caption and image are joined; joint: as published, projection: their inner product, "
        "which steers sooner on little data",
        choices=("joint", "projection"),
    )
    discriminator_text: bool = option(
        True, "the discriminator of gan_cls reads the caption; off: it judges images alone"
    )
    discriminator_batch_norm: bool = option(
        True, "of gan_cls, stack_gan and img_txt; off: rows are judged one by one, as R1 needs"
    )
    residual_gate_start: float = option(
        0.0, "first value of the discriminator's residual gates; above 0 it is sharp from the start"
    )
    text_size: int = option(128, "units to which gan_cls reduces a sentence", low=1)
    stage: int = option(1, "of stack_gan; 2 enlarges what --stage1_run_dir draws", low=1, high=2)
    conditioning_size: int = option(128, "of stack_gan's conditioning augmentation", low=1)
    kl_weight: float = option(
        2.0, "of the divergence that smooths conditions: of stack_gan, and of img_txt", low=0.0
    )
    interpolation: str = option(
        "none",
        "captions between captions for the generator of gan_cls (GAN-INT); midpoint, or random: "
        "anywhere on the line through two",
        choices=("none", "midpoint", "random"),
    )
    interpolation_weight: float = option(1.0, "of those captions", low=0.0)
    ranking_images: int = option(
        0,
        "images after which the text encoder of gan_cls stops to learn by ranking; 0: it learns "
        "with the discriminator, if at all",
        low=0,
    )
    ranking_learning_rate: float = option(2e-4, "of Adam, for that", low=0.0)
    text_source: str = option(
        "caption",
        "what img_txt writes: captions, the names of labels, or their numbers",
        choices=("caption", "label", "label_number"),
    )
    shared_layers: int = option(
        1, "layers of img_txt's generator that draw and write; published: 1", low=1, high=4
    )
    condition_rate: float = option(
        0.25,
        "share of img_txt's rows whose text is given, and as large a share whose image is",
        low=0.0,
        high=0.5,
    )
    discriminator_update: str = option(
        "separate",
        "of auto_write; separate: an optimizer for real and one for generated images, as "
        "published, joint: one for both",
        choices=("separate", "joint"),
        since="0.2.0",
    )
    warm_up_steps: int = option(
        300, "of auto_write, in which its discriminator learns alone", low=0
    )
    loss: str = option(
        "hinge",
        "of the game; hinge: as DF-GAN, bce: binary cross-entropy, as the others, relativistic: "
        "real and generated in pairs, which with R1 and R2 keeps samples of a caption apart",
        choices=("hinge", "bce", "relativistic"),
    )
    mismatch_weight: float = option(
        1.0, "of real images with captions of others against generated ones", low=0.0
    )
    ma_gp_weight: float = option(
        0.0, "of the matching-aware gradient penalty; 0: off, DF-GAN: 2", low=0.0
    )
    ma_gp_power: float = option(6.0, "of the norm in the matching-aware penalty", low=1.0)
    ma_gp_norm: str = option(
        "joint",
        "joint: of the gradients by image and sentence together, as published, sum: of a norm of "
        "each, as in the paper",
        choices=("joint", "sum"),
    )
    ma_gp_update: str = option(
        "joint",
        "joint: a part of the discriminator's loss, separate: an update after it, as in the code "
        "of 2020",
        choices=("joint", "separate"),
    )
    r1_weight: float = option(0.0, "of the gradient penalty at real images; 0: off", low=0.0)
    r2_weight: float = option(0.0, "of the gradient penalty at generated images; 0: off", low=0.0)
    penalty_every: int = option(
        1,
        "MA-GP, R1 and R2 are taken in the last of so many steps, with so many times their weight",
        low=1,
        since="0.2.0",
    )
    discriminator_spectral_norm: bool = option(
        False,
        "every kernel of the discriminator is divided by its largest singular value",
        since="0.2.0",
    )
    minibatch_group: int = option(
        0,
        "neighbouring rows among which the discriminator sees how much features differ; 0: off",
        low=0,
        since="0.2.0",
    )
    label_smoothing: float = option(
        0.0,
        "the label of real pairs is 1 minus so much, for --loss=bce",
        low=0.0,
        high=0.5,
        since="0.2.0",
    )
    discriminator_steps: int = option(
        1,
        "of so many steps, the generator moves in the last alone; each step has its own batch",
        low=1,
        since="0.2.0",
    )
    cutmix_weight: float = option(
        0.0, "of CutMix and its consistency, for --discriminator_form=unet; 0: off", low=0.0
    )
    cutmix_warm_up_images: int = option(0, "images over which that weight grows from 0", low=0)
    mode_seeking_weight: float = option(
        0.0, "of the term that keeps pictures of one caption apart; 0: off", low=0.0
    )
    augment_translation_px: int = option(
        0, "images that the discriminator sees are moved by at most so much; 0: not at all", low=0
    )
    augment_color: bool = option(
        False,
        "brightness, saturation and contrast of images that the discriminator sees are changed",
        since="0.2.0",
    )
    augment_cutout: float = option(
        0.0,
        "side of the square cut out of images that the discriminator sees, as a share of theirs; "
        "0: none",
        low=0.0,
        high=1.0,
        since="0.2.0",
    )
    augment_probability: float = option(
        1.0, "of each of these operations for each image", low=0.0, high=1.0, since="0.2.0"
    )
    ada_target: float = option(
        0.0,
        "that probability is adapted, from 0 on, until the discriminator's mean sign at real "
        "images is this; published: 0.6, 0: it is not",
        low=0.0,
        high=0.99,
        since="0.2.0",
    )
    ada_images: int = option(
        500_000, "in which the adapted probability goes from 0 to 1 at most", low=1, since="0.2.0"
    )
    generator_optimizer: str = option(
        "adam",
        "Keras's by name, or on the TensorFlow Addons line such as addons.LAMB or "
        "addons.Lookahead(adam, sync_period=5)",
        since="0.2.0",
    )
    discriminator_optimizer: str = option("adam", "like it", since="0.2.0")
    generator_learning_rate: float = option(1e-4, "of its optimizer", low=0.0)
    discriminator_learning_rate: float = option(4e-4, "of its optimizer", low=0.0)
    learning_rate_halving_epochs: float = option(
        0.0, "passes over the data after each of which the rates are halved; 0: never", low=0.0
    )
    learning_rate_linear_from_epochs: float = option(
        0.0,
        "passes after which the rates begin to fall in a straight line",
        low=0.0,
        since="0.2.0",
    )
    learning_rate_linear_to_epochs: float = option(
        0.0,
        "passes after which the rates are 0 then; 0: they don't fall so",
        low=0.0,
        since="0.2.0",
    )
    adam_beta1: float = option(0.0, "of optimizers that have it", low=0.0, high=0.9999)
    adam_beta2: float = option(0.9, "of optimizers that have it", low=0.0, high=0.9999)
    adam_epsilon: float = option(1e-8, "of optimizers that have it", low=0.0)
    ema_half_life_images: float = option(
        10_000.0, "images after which a weight counts half in the average that is sampled", low=1.0
    )
    ema_ramp_up: float = option(
        0.05, "the half-life is at most this share of the images seen so far", low=1e-6
    )
    no_ema: bool = option(False, "samples the live weights, and no average of them")
    faithful: bool = option(
        False, "keeps what the published code of auto_write, img_txt or imagan did by mistake"
    )
    image_encoder: str = option(
        "small",
        "of a matching model; small: a few convolutions that learn, inception_v3: Keras's, frozen, "
        "under layers that learn",
        choices=("small", "inception_v3"),
    )
    image_encoder_channels: int = option(32, "channels of the small one at full size", low=1)
    matching_learning_rate: float = option(2e-3, "of a matching model", low=0.0)
    matching_learning_rate_decay: float = option(
        0.98, "factor after each pass over the data; damsm: down to a tenth", low=0.01, high=1.0
    )

    def differences(self, other: "Recipe") -> list[str]:
        """Names of the fields in which another recipe differs."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return [name for name in mine if mine[name] != others[name]]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What may change from one start of a run to the next: its goal, and how often it does what."""

    checkpoint_every: int = option(500, "steps from one checkpoint to the next", low=1)
    sample_every: int = option(500, "steps from one sample sheet to the next", low=1)
    evaluate_every: int = option(0, "steps from one evaluation to the next; 0: never", low=0)
    log_every: int = option(50, "steps from one line of metrics.jsonl to the next", low=1)
    histogram_every: int = option(
        0,
        "steps from one set of histograms of all weights to the next, in TensorBoard; 0: never",
        low=0,
    )
    max_bad_steps: int = option(
        20, "the run ends after so many steps in a row with values that are not finite", low=1
    )
    keep_checkpoints: int = option(3, "how many checkpoints are kept", low=1)
    keep_best: str = option(
        "none",
        "the checkpoint of the best evaluation by this metric is kept too",
        choices=("none", "agreement", "diversity", "kid"),
    )
    steps_per_execution: int = option(
        1, "steps that one call into the graph runs; logs and checkpoints come between calls", low=1
    )
    jit_compile: bool = option(False, "compiles the step with XLA; on one device")
    cache_mb: int = option(
        512, "decoded images are kept in memory if they fit into so many MiB", low=0
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
      kind: the dataclass.
      only: names of the fields; None takes all.
      optional: the flags have no defaults, so that one can see which are given.
      into: where they are defined.
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
      UsageError: the file cannot be read, or is not of such flags.
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

    A field that the run's version did not have yet may be absent: its default is what that version
    did.

    Args:
      fields: by name.
      version: of tfgan2 that the run began with, such as `0.1.0`; None where it is not known.

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
        # Only DF-GAN had MA-GP then, whose weight was the default of all.
        fields = {**fields, "ma_gp_weight": 0.0}
    return Recipe(**fields)


def _comparable(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def view(recipe: Recipe) -> "pipeline.View":
    """What of a stored image the recipe's system sees."""
    from tfgan2.data import pipeline

    return pipeline.View(
        image_size=recipe.image_size,
        crop_margin=recipe.crop_margin,
        horizontal_flip=recipe.horizontal_flip,
    )


def text_options(recipe: Recipe) -> TextOptions:
    """What of a recipe says how captions are read."""
    names = [field.name for field in dataclasses.fields(TextOptions)]
    return TextOptions(**{name: getattr(recipe, name) for name in names})


def system_class(recipe: Recipe) -> "type[GAN]":
    """Imports the system that a recipe names."""
    module, name = MODELS[recipe.model].split(":")
    return getattr(importlib.import_module(module), name)


def model_class(recipe: Recipe) -> "type[GAN]":
    """Imports the system that a recipe names, and checks what the recipe asks of it.

    Raises:
      UsageError: the system has no such size or form, or cannot read by the text encoder.
    """
    system = system_class(recipe)
    for field, allowed in system.allowed(_options(recipe, system)).items():
        value = getattr(recipe, field)
        if value not in allowed:
            names = ("one of " if len(allowed) > 1 else "") + ", ".join(map(str, allowed))
            raise UsageError(f"--{field}", f"must be {names} for {recipe.model}", value)
    _check_remedies(recipe, system)
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
    """Builds the recipe's system with new weights; `compile` gives it its optimizers."""
    from tfgan2.adversarial.averaging import Averaging

    system: Any = model_class(recipe)
    return system(
        _options(recipe, system),
        image_channels=image_channels,
        vocabulary_size=vocabulary_size,
        averaging=Averaging(
            half_life_images=0.0 if recipe.no_ema else recipe.ema_half_life_images,
            ramp_up=recipe.ema_ramp_up,
            batch_size=recipe.batch_size,
        ),
        dtype=dtype,
    )


def _options(recipe: Recipe, system: Any) -> Any:
    """What of a recipe defines its system."""
    names = [field.name for field in dataclasses.fields(system.options_class)]
    return system.options_class(**{name: getattr(recipe, name) for name in names})
