"""Checks a recipe against its system, the data set, the devices and other runs."""

import dataclasses
import os
import pathlib

from tfgan2.adversarial.options import MatchingPenaltyOptions, StabilizerOptions
from tfgan2.data import records
from tfgan2.models.matching.options import DAMSMOptions, MatchingOptions
from tfgan2.models.stack_gan.options import StackGANOptions
from tfgan2.optimizers import named
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.pretrained import PretrainedTextEncoder


def check_foreign_options(recipe: recipes.Recipe) -> None:
    """Checks that options that the system does not have keep their defaults.

    Runs of earlier versions may have other values, so this is a check of new runs only.

    Raises:
      UsageError: an option of another system is given.
    """
    has_discriminator = isinstance(recipes.options_of(recipe), StabilizerOptions)
    lacks = f"which is without {'captions' if has_discriminator else 'a discriminator'}"
    kinds = (StabilizerOptions, MatchingPenaltyOptions)
    stabilizers = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    own = recipes.option_names(recipe.model)
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if field.name not in own and value != field.default:
            reason = lacks if field.name in stabilizers else "which has no such option"
            rule = f"must be {field.default} for {recipe.model}, {reason}"
            raise UsageError(f"--{field.name}", rule, value)


def is_stage_two(recipe: recipes.Recipe) -> bool:
    """Whether the recipe is that of StackGAN's stage II."""
    return isinstance(recipes.options_of(recipe), StackGANOptions) and recipe.stage == 2


def check_other_runs(
    recipe: recipes.Recipe,
    *,
    text_encoder: str | os.PathLike | None,
    stage1_run_dir: str | os.PathLike | None,
) -> None:
    """Checks that the model can start with the given other runs.

    Raises:
      UsageError: the model cannot use `text_encoder` or `stage1_run_dir`.
    """
    if stage1_run_dir and not is_stage_two(recipe):
        rule = "must be left out but for stack_gan's stage 2"
        raise UsageError("--stage1_run_dir", rule, stage1_run_dir)
    if text_encoder and is_stage_two(recipe):
        rule = "must be left out for stage 2, which reads as its stage 1 does"
        raise UsageError("--text_encoder", rule, text_encoder)


def check_alone(**files: str | os.PathLike | None) -> None:
    """Checks that no other files are given with `--init_from`, whose networks have all weights.

    Raises:
      UsageError: a file is given.
    """
    for name, value in files.items():
        if value:
            raise UsageError(f"--{name}", "must be left out with --init_from", value)


def check_start(
    recipe: recipes.Recipe,
    schedule: recipes.Schedule,
    *,
    is_new: bool,
    manifest: records.Manifest,
    replicas: int,
    text_encoder: PretrainedTextEncoder | None,
    inception_weights: str | None,
    word_vectors: str | None,
    has_source: bool,
) -> None:
    """Checks a start of a run.

    Args:
      recipe: recipe of the run.
      schedule: schedule of this start.
      is_new: whether the run has no earlier start.
      manifest: manifest of the data set.
      replicas: number of replicas.
      text_encoder: pretrained text encoder, or None.
      inception_weights: initial Inception-v3 weights: a file, `imagenet`, or None.
      word_vectors: word vectors of a matching model: a file, `wordllama`, or None.
      has_source: whether the run starts with all networks of another run.

    Raises:
      UsageError: an option or a combination of options is not allowed.
    """
    recipe.check()
    for field in ("generator_optimizer", "discriminator_optimizer"):
        named.check(getattr(recipe, field), flag=f"--{field}", replicas=replicas)
    _check_first_weights(recipe, text_encoder, inception_weights)
    if is_new:
        check_foreign_options(recipe)
        _check_word_vectors(
            recipe, word_vectors, has_encoder=has_source or text_encoder is not None
        )
    _check_data(recipe, manifest)
    _check_schedule(recipe, schedule, manifest)
    _check_replicas(recipe, schedule, replicas)


def _check_first_weights(
    recipe: recipes.Recipe, encoder: PretrainedTextEncoder | None, inception_weights: str | None
) -> None:
    matching = isinstance(recipes.options_of(recipe), MatchingOptions)
    reads = recipes.system_class(recipe).reads == "captions"
    if encoder is not None and (matching or not reads):
        raise UsageError("--text_encoder", f"must be left out for {recipe.model}", encoder.run.path)
    if inception_weights is None:
        return
    flag = "--inception_weights"
    if not matching or recipe.image_encoder != "inception_v3":
        rule = "must be left out but for a matching model with --image_encoder=inception_v3"
        raise UsageError(flag, rule, inception_weights)
    if inception_weights != "imagenet" and not pathlib.Path(inception_weights).is_file():
        raise UsageError(flag, "must be a file or imagenet", inception_weights)


def _check_word_vectors(
    recipe: recipes.Recipe, word_vectors: str | None, *, has_encoder: bool
) -> None:
    matching = isinstance(recipes.options_of(recipe), MatchingOptions)
    by_vectors = recipe.text_encoder_kind == "word_vectors"
    if by_vectors and not matching and not has_encoder:
        rule = "must be left out without --text_encoder, a run with word vectors"
        raise UsageError("--text_encoder_kind", rule, recipe.text_encoder_kind)
    needed = by_vectors and not has_encoder
    if matching and needed != (word_vectors is not None):
        rule = "must be given for a new --text_encoder_kind=word_vectors, and only then"
        raise UsageError("--word_vectors", rule, word_vectors or "nothing")


def _check_data(recipe: recipes.Recipe, manifest: records.Manifest) -> None:
    if recipe.image_size > manifest.image_size:
        rule = f"must be at most the {manifest.image_size} px of the data set"
        raise UsageError("--image_size", rule, recipe.image_size)
    if recipe.batch_size > manifest.records("train"):
        rule = f"must be at most the {manifest.records('train')} images of the train split"
        raise UsageError("--batch_size", rule, recipe.batch_size)


def _check_schedule(
    recipe: recipes.Recipe, schedule: recipes.Schedule, manifest: records.Manifest
) -> None:
    options, reads = recipes.options_of(recipe), recipes.system_class(recipe).reads
    matching = isinstance(options, MatchingOptions)
    steps = schedule.steps_per_execution
    if steps > 1 and steps % recipe.discriminator_steps:
        rule = "must be 1 or a multiple of --discriminator_steps, or the generator is not logged"
        raise UsageError("--steps_per_execution", rule, steps)
    if schedule.evaluate_every and len(manifest.label_names) < 2 and not matching:
        rule = "must be 0 for a data set without labels"
        raise UsageError("--evaluate_every", rule, schedule.evaluate_every)
    if schedule.jit_compile and isinstance(options, DAMSMOptions):
        # On CPUs, XLA gives dropout another mask in the gradient than in the loss.
        raise UsageError("--jit_compile", "must be off for damsm", schedule.jit_compile)
    if schedule.accumulate_gradients > 1 and matching:
        rule = f"must be 1 for {recipe.model}, which compares all rows of a batch"
        raise UsageError("--accumulate_gradients", rule, schedule.accumulate_gradients)
    if schedule.accumulate_gradients > 1 and recipe.ranking_images:
        rule = "must be 1 with --ranking_images, whose loss compares neighbouring rows of a batch"
        raise UsageError("--accumulate_gradients", rule, schedule.accumulate_gradients)
    if schedule.keep_best != "none" and matching:
        rule = f"must be none for {recipe.model}"
        raise UsageError("--keep_best", rule, schedule.keep_best)
    if schedule.keep_best in ("agreement", "diversity") and reads is None:
        rule = f"must be none or kid for {recipe.model}"
        raise UsageError("--keep_best", rule, schedule.keep_best)
    if schedule.keep_best != "none" and not schedule.evaluate_every:
        rule = "must be above 0 for --keep_best"
        raise UsageError("--evaluate_every", rule, schedule.evaluate_every)


def _check_replicas(recipe: recipes.Recipe, schedule: recipes.Schedule, replicas: int) -> None:
    if recipe.batch_size % replicas:
        rule = f"must be a multiple of {replicas} replicas"
        raise UsageError("--batch_size", rule, recipe.batch_size)
    rows, interpolates = recipe.batch_size // replicas, recipe.interpolation != "none"
    parts = schedule.accumulate_gradients
    if rows % parts:
        rule = f"must divide the {rows} rows of a replica"
        raise UsageError("--accumulate_gradients", rule, parts)
    rows //= parts
    if interpolates and rows % 2:
        of = f"{replicas} replicas" if parts == 1 else f"{replicas * parts} micro-batches"
        rule = f"must be even on each of {of} for --interpolation"
        raise UsageError("--batch_size", rule, recipe.batch_size)
    rows //= 2 if interpolates else 1
    if recipe.minibatch_group and rows % recipe.minibatch_group:
        rule = f"must divide the {rows} rows that the discriminator sees at once"
        raise UsageError("--minibatch_group", rule, recipe.minibatch_group)
    if schedule.jit_compile and replicas > 1:
        rule = f"must be off with {replicas} replicas"
        raise UsageError("--jit_compile", rule, schedule.jit_compile)
