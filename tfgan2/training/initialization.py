"""Starts a run or resumes an earlier one: configuration, vocabulary, initial weights."""

import dataclasses

import numpy as np
import tf_keras as keras

from tfgan2.adversarial.gan import GAN
from tfgan2.data import records
from tfgan2.program import UsageError, write_file
from tfgan2.runs import environment
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.pretrained import PretrainedStageOne, PretrainedTextEncoder
from tfgan2.text import tokenizers
from tfgan2.text.options import WORD_ENCODERS
from tfgan2.training import runtime


@dataclasses.dataclass(frozen=True)
class Start:
    """The inputs of a new run.

    Attributes:
      captions: example captions of the data set.
      texts: texts by label, which a joint model writes instead of captions; None for captions.
      reader: pretrained text encoder, or None.
      stage_one: stage-I generator, or None.
    """

    captions: list[str]
    texts: list[str] | None
    reader: PretrainedTextEncoder | None
    stage_one: PretrainedStageOne | None


def begin_or_join(
    run: RunDirectory, recipe: recipes.Recipe, manifest: records.Manifest, start: Start
) -> recipes.Recipe:
    """Writes config.json and the vocabulary of a new run, or checks a run that exists already.

    Args:
      run: the run directory.
      recipe: recipe of the run, including the options of the pretrained text encoder.
      manifest: manifest of the data set.
      start: inputs of a new run.

    Returns:
      The recipe with `auto` precision resolved, and with the options of the pretrained text
      encoder, if the run started with one.

    Raises:
      UsageError: the directory holds a run with another recipe, text encoder or data set.
    """
    if not run.config_file.exists():
        return _begin(run, recipe, manifest, start)
    reader = start.reader
    config = run.read_config()
    if recipe.precision == "auto":
        recipe = dataclasses.replace(recipe, precision=config.recipe.precision)
    if config.text_encoder is not None:
        options = recipes.text_options(config.recipe)
        recipe = dataclasses.replace(recipe, **dataclasses.asdict(options))
    begun_with = (config.text_encoder or {}).get("checksum")
    if reader is not None and reader.description["checksum"] != begun_with:
        rule = f"must be left out, or what the run began with ({config.text_encoder})"
        raise UsageError("--text_encoder", rule, reader.description)
    different = recipe.differences(config.recipe)
    if different:
        there = ", ".join(f"{name} {getattr(config.recipe, name)}" for name in different)
        here = ", ".join(f"{name} {getattr(recipe, name)}" for name in different)
        raise UsageError("--run_dir", f"must hold a run of the same recipe ({there})", here)
    if manifest.channels != config.data["channels"]:
        rule = f"must have images of {config.data['channels']} channels, as the run has"
        raise UsageError("--data_dir", rule, manifest.channels)
    if config.data["checksum"] is None:  # A run of imported weights has no data set yet.
        data = {**config.data, **_description(manifest), "example_captions": start.captions}
        run.write_config(dataclasses.replace(config, data=data))
    elif manifest.checksum != config.data["checksum"]:
        rule = (
            f"must be the run's data set ({config.data['source']} {config.data['checksum'][:12]})"
        )
        raise UsageError("--data_dir", rule, f"{manifest.source} {manifest.checksum[:12]}")
    return recipe


def read_inception(weights: str | None) -> list[np.ndarray]:
    """Reads Inception-v3's weights from a file in Keras's format; `imagenet`: Keras's own weights.

    Raises:
      UsageError: no weights are given, or they belong to another network.
    """
    flag = "--inception_weights"
    if weights is None:
        raise UsageError(flag, "must be given for --image_encoder=inception_v3", "nothing")
    try:
        return keras.applications.InceptionV3(include_top=False, weights=weights).get_weights()
    except Exception as error:  # Keras, h5py and the network raise errors of nearly any type.
        rule = "must be Inception-v3's in Keras's format, without the top layer"
        raise UsageError(flag, rule, f"{weights} ({error!r:.200})") from error


def take_weights(
    gan: GAN, run: RunDirectory, start: Start, inception: list[np.ndarray] | None
) -> None:
    """Sets a new model's initial weights: text encoder, stage-I generator, Inception-v3.

    Raises:
      UsageError: the run started with pretrained weights, and they are not given.
    """
    if start.stage_one is not None:
        gan.load_stage1(start.stage_one.generator)
    elif run.read_config().stage_one is not None:
        rule = "must be given until the run has a checkpoint"
        raise UsageError("--stage1_run_dir", rule, "nothing")
    if start.reader is not None:
        gan.load_text_encoder(start.reader.encoder)
    elif run.read_config().text_encoder is not None:
        rule = "must be given until the run has a checkpoint"
        raise UsageError("--text_encoder", rule, "nothing")
    if inception is not None:
        gan.image_encoder.inception.set_weights(inception)


def _begin(
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    start: Start,
) -> recipes.Recipe:
    reader = start.reader
    precision = runtime.resolve_precision(recipe.precision)
    recipe = dataclasses.replace(recipe, precision=precision)
    if reader is None and recipe.freeze_text_encoder:
        rule = "must come with --text_encoder, or it would never learn to read"
        raise UsageError("--freeze_text_encoder", rule, "none")
    by_words = recipe.text_encoder_kind in WORD_ENCODERS
    if start.texts is not None:
        tokenizers.write_vocabulary(run.vocabulary_file, tokenizers.count_words(start.texts))
    elif reader is not None and by_words:
        write_file(run.vocabulary_file, reader.run.vocabulary_file.read_bytes())
    elif recipes.system_class(recipe).reads is not None and by_words:
        tokenizers.write_vocabulary(run.vocabulary_file, manifest.vocabulary)
    run.write_config(
        Config(
            recipe=recipe,
            data={**_description(manifest), "example_captions": start.captions},
            versions=environment.versions(),
            text_encoder=None if reader is None else reader.description,
            stage_one=None if start.stage_one is None else str(start.stage_one.run.path),
        )
    )
    return recipe


def _description(manifest: records.Manifest) -> dict[str, str | int]:
    """Entry of a data set in config.json."""
    return {
        "source": manifest.source,
        "checksum": manifest.checksum,
        "licence": manifest.licence,
        "channels": manifest.channels,
    }
