"""Loads the pretrained parts with which a new run can start: text encoder, stage-I generator."""

import dataclasses
import hashlib
import os

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.stack_gan.networks import MAGNIFICATION
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_model, make_tokenizer
from tfgan2.text import encoders
from tfgan2.text.options import TextOptions

# Options of the stage-I generator, which must have the same values in stage II.
SHARED_BY_STAGES = (
    "generator_form",
    "generator_channels",
    "latent_size",
    "conditioning_size",
    "faithful",
)


@dataclasses.dataclass(frozen=True)
class PretrainedTextEncoder:
    """A pretrained text encoder, with which a new run starts.

    Attributes:
      run: the run that trained the encoder.
      options: options that define the encoder.
      encoder: the encoder, with its weights.
    """

    run: RunDirectory
    options: TextOptions
    encoder: keras.Model

    @property
    def description(self) -> dict[str, str]:
        """Entry in config.json: the encoder's run, and the SHA-256 of its weights."""
        weights = b"".join(value.tobytes() for value in self.encoder.get_weights())
        return {"run": str(self.run.path), "checksum": hashlib.sha256(weights).hexdigest()}


@dataclasses.dataclass(frozen=True)
class PretrainedStageOne:
    """A trained StackGAN stage-I generator, with which a run of stage II starts.

    Attributes:
      run: the run that trained the generator.
      recipe: recipe of this run.
      generator: the EMA generator, with its weights.
    """

    run: RunDirectory
    recipe: recipes.Recipe
    generator: keras.Model


def load_pretrained_text_encoder(
    run_dir: str | os.PathLike, *, flag: str = "--text_encoder"
) -> PretrainedTextEncoder:
    """Builds the float32 text encoder of a run from its newest checkpoint.

    Args:
      run_dir: run directory of any system that reads captions; of a GAN, the text encoder is the
        EMA.
      flag: flag that names the run, for error messages.

    Raises:
      UsageError: the run does not exist, reads no captions, or has no checkpoint.
    """
    run = RunDirectory.existing(run_dir, flag=flag)
    recipe = run.read_config().recipe
    if recipes.system_class(recipe).reads != "captions":
        raise UsageError(flag, "must be a run that reads captions", recipe.model)
    tokenizer = make_tokenizer(run, recipe)
    assert tokenizer is not None  # The system reads captions.
    options = recipes.text_options(recipe)
    encoder = encoders.make_encoder(options, vocabulary_size=tokenizer.vocabulary_size)
    # Restore only the text encoder: the attribute name selects its part of the checkpoint.
    part, matching = tf.Module(), recipe.model in recipes.MATCHING_MODELS
    setattr(part, "text_encoder" if matching else "average_text_encoder", encoder)
    Checkpoints(part, run.checkpoints, keep=1).restore_for_sampling(flag=flag)
    return PretrainedTextEncoder(run=run, options=options, encoder=encoder)


def load_pretrained_stage_one(
    run_dir: str | os.PathLike, recipe: recipes.Recipe
) -> PretrainedStageOne:
    """Loads the stage-I generator of a run.

    Args:
      run_dir: run directory of stage I.
      recipe: recipe of stage II.

    Raises:
      UsageError: the run does not exist, has no checkpoint, is not stage I of StackGAN, or its
        recipe does not fit stage II.
    """
    flag = "--stage1_run_dir"
    run = RunDirectory.existing(run_dir, flag=flag)
    config = run.read_config()
    one, size = config.recipe, config.recipe.image_size
    if one.model != "stack_gan" or one.stage != 1:
        name = f"{one.model}, stage {one.stage}"
        raise UsageError(flag, "must be a run of stack_gan's stage 1", name)
    gan, _ = load_model(run, config, make_tokenizer(run, one), checkpoint="latest", flag=flag)
    if recipe.image_size != size * MAGNIFICATION:
        rule = f"must be {size * MAGNIFICATION}, {MAGNIFICATION} times that of stage 1"
        raise UsageError("--image_size", rule, recipe.image_size)
    for name in SHARED_BY_STAGES:
        if getattr(recipe, name) != getattr(one, name):
            rule = f"must be {getattr(one, name)} as in stage 1"
            raise UsageError(f"--{name}", rule, getattr(recipe, name))
    return PretrainedStageOne(run=run, recipe=one, generator=gan.average_generator)
