"""Starts a run or resumes an earlier one: configuration, vocabulary, initial weights."""

import dataclasses
import os
from typing import cast

import numpy as np
import tf_keras as keras

from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.data import records
from tfgan2.models.matching.model import Matching
from tfgan2.models.matching_aware.model import MatchingAwareGAN
from tfgan2.models.stack_gan.model import StackGAN
from tfgan2.program import UsageError, warn, write_file
from tfgan2.runs import environment
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import find
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.pretrained import PretrainedStageOne, PretrainedTextEncoder
from tfgan2.runs.source import SourceRun
from tfgan2.text import tokenizers, word_vectors
from tfgan2.text.options import WORD_ENCODERS
from tfgan2.text.word_vector_encoder import WordVectorEncoder
from tfgan2.text.word_vectors import WordVectors
from tfgan2.training import runtime
from tfgan2.training.sample_captions import SampleCaptions


@dataclasses.dataclass(frozen=True)
class NewRun:
    """The inputs of a new run.

    Attributes:
      samples: captions of the sample grids and of an export.
      texts: texts by label, which a joint model writes instead of captions; None for captions.
      text_encoder: pretrained text encoder, or None.
      stage_one: stage-I generator, or None.
      word_vectors: word vectors of a matching model, or None.
      init_from: path of the run to start with, or None.
      source: the run at this path; None without a path, and for a run that has a checkpoint.
    """

    samples: SampleCaptions
    texts: list[str] | None
    text_encoder: PretrainedTextEncoder | None
    stage_one: PretrainedStageOne | None
    word_vectors: WordVectors | None
    init_from: str | None = None
    source: SourceRun | None = None


def with_word_rules(
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    *,
    source: SourceRun | None,
    text_encoder: PretrainedTextEncoder | None,
) -> recipes.Recipe:
    """Replaces `auto` word rules by those of the run, of the source run or of the data set.

    Args:
      run: the run directory.
      recipe: recipe of the run, with the rules of the text encoder, if there is one.
      manifest: manifest of the data set.
      source: run to start with, or None.
      text_encoder: pretrained text encoder, or None.

    Raises:
      UsageError: a new run has other rules than its vocabulary.
    """
    if "word_rules" not in recipes.option_names(recipe.model):
        return recipe
    if run.config_file.exists():
        rules = run.read_config().recipe.word_rules
    elif source is not None:
        rules = source.config.recipe.word_rules
    elif text_encoder is not None:
        rules = recipe.word_rules
    else:
        rules = manifest.word_rules
        if recipe.word_rules not in ("auto", rules):
            rule = f"must be {rules}, by which tools.prepare has counted the data set's words"
            raise UsageError("--word_rules", rule, recipe.word_rules)
    return dataclasses.replace(recipe, word_rules=rules) if recipe.word_rules == "auto" else recipe


def load_word_vectors(
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    name: str | None,
    *,
    source: SourceRun | None,
) -> tuple[recipes.Recipe, WordVectors | None]:
    """Loads the word vectors of a new matching model; a run that exists has them already.

    Args:
      run: the run directory.
      recipe: recipe of the run.
      manifest: manifest of the data set.
      name: `wordllama`, or a file of word vectors.
      source: run to start with, or None.

    Returns:
      The recipe with the length of the vectors as its `word_embedding_size`, and the vectors.

    Raises:
      UsageError: the vectors cannot be loaded, or are not those that the run began with.
    """
    if recipe.text_encoder_kind != "word_vectors" or recipe.model not in recipes.MATCHING_MODELS:
        return recipe, None
    if source is not None or find(run.checkpoints):
        begun = run.read_config() if source is None else source.config
        size = begun.recipe.word_embedding_size
        return dataclasses.replace(recipe, word_embedding_size=size), None
    vectors = word_vectors.load(str(name), needed=manifest.vocabulary, rules=recipe.word_rules)
    if run.vocabulary_file.exists():
        begun_with = tokenizers.read_vocabulary(run.vocabulary_file)
        if begun_with != vectors.words:
            rule = f"must have the {len(begun_with)} words that the run began with"
            raise UsageError("--word_vectors", rule, f"{len(vectors.words)} words of {name}")
    return dataclasses.replace(recipe, word_embedding_size=vectors.vectors.shape[1]), vectors


def begin_or_join(
    run: RunDirectory, recipe: recipes.Recipe, manifest: records.Manifest, new_run: NewRun
) -> recipes.Recipe:
    """Writes config.json and the vocabulary of a new run, or checks a run that exists already.

    Args:
      run: the run directory.
      recipe: recipe of the run, including the options of the pretrained text encoder.
      manifest: manifest of the data set.
      new_run: inputs of a new run.

    Returns:
      The recipe with `auto` precision resolved, and with the options of the text encoder that the
      run started with.

    Raises:
      UsageError: the directory holds a run with another recipe, data set, text encoder or source
        run, or the networks of the source run do not fit a new run.
    """
    if not run.config_file.exists():
        return _begin(run, recipe, manifest, new_run)
    text_encoder = new_run.text_encoder
    config = run.read_config()
    if recipe.precision == "auto":
        recipe = dataclasses.replace(recipe, precision=config.recipe.precision)
    if config.text_encoder is not None or config.init_from is not None:
        recipe = with_text_encoder_of(recipe, config.recipe)
    _check_source(config, new_run)
    starts_anew = not find(run.checkpoints)
    if starts_anew:
        _check_initial_weights(run, config, new_run)
    checksum = (config.text_encoder or {}).get("checksum")
    if text_encoder is not None and text_encoder.description["checksum"] != checksum:
        rule = f"must be left out, or what the run began with ({config.text_encoder})"
        raise UsageError("--text_encoder", rule, text_encoder.description)
    different = recipe.differences(config.recipe)
    if different:
        stored = ", ".join(f"{name} {getattr(config.recipe, name)}" for name in different)
        given = ", ".join(f"{name} {getattr(recipe, name)}" for name in different)
        raise UsageError("--run_dir", f"must hold a run of the same recipe ({stored})", given)
    if manifest.channels != config.data["channels"]:
        rule = f"must have images of {config.data['channels']} channels, as the run has"
        raise UsageError("--data_dir", rule, manifest.channels)
    if config.data["checksum"] is None:  # A run of imported weights has no data set yet.
        data = {**config.data, **_description(manifest), **_examples(new_run.samples)}
        run.write_config(dataclasses.replace(config, data=data))
    elif manifest.checksum != config.data["checksum"]:
        rule = (
            f"must be the run's data set ({config.data['source']} {config.data['checksum'][:12]}); "
            f"for a data set that has changed, start a new run with --init_from={run.path}"
        )
        raise UsageError("--data_dir", rule, f"{manifest.source} {manifest.checksum[:12]}")
    if starts_anew:  # The vocabulary may be gone with the checkpoints.
        _write_vocabulary(run, recipe, manifest, new_run)
    return recipe


def with_text_encoder_of(recipe: recipes.Recipe, other: recipes.Recipe) -> recipes.Recipe:
    """The recipe with the text encoder's options of another recipe, if the system has captions."""
    if recipes.system_class(recipe).reads != "captions":
        return recipe
    return dataclasses.replace(recipe, **recipes.text_options(other).of_encoder())


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


def load_initial_weights(
    model: MultiUpdateModel, new_run: NewRun, inception: list[np.ndarray] | None
) -> None:
    """Sets a new model's initial weights: all of them, or those of pretrained parts.

    `checks` has verified that the system of the model has these parts.
    """
    if new_run.source is not None:
        new_run.source.copy_to(model)
        return
    if new_run.stage_one is not None:
        cast(StackGAN, model).load_stage1(new_run.stage_one.generator)
    if new_run.text_encoder is not None:
        cast(MatchingAwareGAN, model).load_text_encoder(new_run.text_encoder.encoder)
    if new_run.word_vectors is not None:
        encoder = cast(WordVectorEncoder, cast(Matching, model).text_encoder)
        encoder.set_vectors(new_run.word_vectors.vectors)
    if inception is not None:
        cast(Matching, model).image_encoder.inception.set_weights(inception)


def _check_initial_weights(run: RunDirectory, config: Config, new_run: NewRun) -> None:
    """Checks that all weights are given with which a run without a checkpoint began.

    Raises:
      UsageError: the run started with pretrained or imported weights, and they are not given.
    """
    rule = "must be given until the run has a checkpoint"
    if config.init_from is not None:
        if new_run.source is None:
            raise UsageError("--init_from", rule, "nothing")
        return
    if "imported" in config.data:
        rule = "must hold a checkpoint of the imported weights (tools.import_weights writes one)"
        raise UsageError("--run_dir", rule, f"none in {run.checkpoints}")
    if config.stage_one is not None and new_run.stage_one is None:
        raise UsageError("--stage1_run_dir", rule, "nothing")
    if config.text_encoder is not None and new_run.text_encoder is None:
        raise UsageError("--text_encoder", rule, "nothing")


def _begin(
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    new_run: NewRun,
) -> recipes.Recipe:
    text_encoder, source = new_run.text_encoder, new_run.source
    precision = runtime.resolve_precision(recipe.precision)
    recipe = dataclasses.replace(recipe, precision=precision)
    if text_encoder is None and source is None and recipe.freeze_text_encoder:
        rule = "must come with --text_encoder or --init_from, or it would never learn to read"
        raise UsageError("--freeze_text_encoder", rule, "none")
    if source is None and recipe.freeze_discriminator_blocks:
        rule = "must be 0 without --init_from, or the blocks would never be trained"
        raise UsageError("--freeze_discriminator_blocks", rule, recipe.freeze_discriminator_blocks)
    if source is not None:
        words = _vocabulary(recipe, manifest, new_run)
        source.check(recipe, image_channels=manifest.channels, words=words)
        new_words = source.new_words(words or [])
        if new_words and recipe.freeze_text_encoder:
            listed = ", ".join(new_words[:10])
            warn(
                f"--freeze_text_encoder never trains the {len(new_words)} new words "
                f"(--nofreeze_text_encoder does): {listed}"
            )
    _write_vocabulary(run, recipe, manifest, new_run)
    data = {**_description(manifest), **_examples(new_run.samples)}
    config = Config(
        recipe=recipe,
        data=data,
        versions=environment.versions(),
        text_encoder=None if text_encoder is None else text_encoder.description,
        stage_one=None if new_run.stage_one is None else str(new_run.stage_one.run.path),
        vocabulary_sha256=run.vocabulary_sha256(),
    )
    if source is not None:
        # Pretrained parts and published weights stay parts of the networks.
        imported = {name: it for name, it in source.config.data.items() if name == "imported"}
        config = dataclasses.replace(
            config,
            data={**data, **imported},
            text_encoder=source.config.text_encoder,
            stage_one=source.config.stage_one,
            init_from=source.description,
        )
    run.write_config(config)
    return recipe


def _write_vocabulary(
    run: RunDirectory, recipe: recipes.Recipe, manifest: records.Manifest, new_run: NewRun
) -> None:
    """Writes the vocabulary of a run without a checkpoint, if its system reads words."""
    words = _vocabulary(recipe, manifest, new_run)
    if new_run.text_encoder is not None and words is not None:
        write_file(run.vocabulary_file, new_run.text_encoder.run.vocabulary_file.read_bytes())
    elif words is not None:
        tokenizers.write_vocabulary(run.vocabulary_file, dict.fromkeys(words, 1))


def _vocabulary(
    recipe: recipes.Recipe, manifest: records.Manifest, new_run: NewRun
) -> list[str] | None:
    """Words of a new run in the order of their ids; those of the source run come first.

    Returns:
      The words; None for a system that reads no words.
    """
    if new_run.texts is not None:
        words = list(tokenizers.count_words(new_run.texts, recipe.word_rules))
    elif recipes.system_class(recipe).reads is None or (
        recipe.text_encoder_kind not in WORD_ENCODERS
    ):
        return None
    elif new_run.word_vectors is not None:
        words = new_run.word_vectors.words
    else:
        words = list(manifest.vocabulary)
    source = new_run.source
    return words if source is None else [*source.words, *source.new_words(words)]


def _check_source(config: Config, new_run: NewRun) -> None:
    """Checks that a run that exists already started with the given run, if one is given."""
    given, began = new_run.init_from, config.init_from or {}
    if given is None:
        return
    same = bool(began) and os.path.realpath(given) == os.path.realpath(began["run"])
    if same and new_run.source is not None:
        same = new_run.source.description["checksum"] == began["checksum"]
    if not same:
        rule = f"must be left out, or what the run began with ({began.get('run', 'nothing')})"
        raise UsageError("--init_from", rule, given)


def _description(manifest: records.Manifest) -> dict[str, str | int]:
    """Entry of a data set in config.json."""
    return {
        "source": manifest.source,
        "checksum": manifest.checksum,
        "licence": manifest.licence,
        "channels": manifest.channels,
    }


def _examples(samples: SampleCaptions) -> dict[str, list[str]]:
    """Entries of the sample captions in config.json."""
    return {"example_captions": list(samples.texts), "example_splits": list(samples.splits)}
