"""Starts a run or resumes an earlier one: configuration, vocabulary, initial weights."""

import dataclasses
from typing import cast

import numpy as np
import tf_keras as keras

from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.data import records
from tfgan2.models.matching.model import Matching
from tfgan2.models.matching_aware.model import MatchingAwareGAN
from tfgan2.models.stack_gan.model import StackGAN
from tfgan2.program import UsageError, write_file
from tfgan2.runs import environment
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import find
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.pretrained import PretrainedStageOne, PretrainedTextEncoder
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
    """

    samples: SampleCaptions
    texts: list[str] | None
    text_encoder: PretrainedTextEncoder | None
    stage_one: PretrainedStageOne | None
    word_vectors: WordVectors | None


def load_word_vectors(
    run: RunDirectory, recipe: recipes.Recipe, manifest: records.Manifest, source: str | None
) -> tuple[recipes.Recipe, WordVectors | None]:
    """Loads the word vectors of a matching model whose run has no checkpoint yet.

    Returns:
      The recipe with the length of the vectors as its `word_embedding_size`, and the vectors.

    Raises:
      UsageError: the vectors cannot be loaded, or are not those that the run began with.
    """
    if recipe.text_encoder_kind != "word_vectors" or recipe.model not in recipes.MATCHING_MODELS:
        return recipe, None
    if find(run.checkpoints):
        size = run.read_config().recipe.word_embedding_size
        return dataclasses.replace(recipe, word_embedding_size=size), None
    vectors = word_vectors.load(str(source), needed=manifest.vocabulary)
    if run.vocabulary_file.exists():
        begun_with = run.vocabulary_file.read_text(encoding="utf-8").splitlines()
        if begun_with != vectors.words:
            rule = f"must have the {len(begun_with)} words that the run began with"
            raise UsageError("--word_vectors", rule, f"{len(vectors.words)} words of {source}")
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
      The recipe with `auto` precision resolved, and with the options of the pretrained text
      encoder, if the run started with one.

    Raises:
      UsageError: the directory holds a run with another recipe, text encoder or data set.
    """
    if not run.config_file.exists():
        return _begin(run, recipe, manifest, new_run)
    text_encoder = new_run.text_encoder
    config = run.read_config()
    if recipe.precision == "auto":
        recipe = dataclasses.replace(recipe, precision=config.recipe.precision)
    if config.text_encoder is not None:
        options = recipes.text_options(config.recipe)
        recipe = dataclasses.replace(recipe, **options.of_encoder())
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


def load_initial_weights(
    model: MultiUpdateModel, run: RunDirectory, new_run: NewRun, inception: list[np.ndarray] | None
) -> None:
    """Sets a new model's initial weights: text encoder, stage-I generator, Inception-v3.

    `checks` has verified that the system of the model has these parts.

    Raises:
      UsageError: the run started with pretrained weights, and they are not given.
    """
    if new_run.stage_one is not None:
        cast(StackGAN, model).load_stage1(new_run.stage_one.generator)
    elif run.read_config().stage_one is not None:
        rule = "must be given until the run has a checkpoint"
        raise UsageError("--stage1_run_dir", rule, "nothing")
    if new_run.text_encoder is not None:
        cast(MatchingAwareGAN, model).load_text_encoder(new_run.text_encoder.encoder)
    elif run.read_config().text_encoder is not None:
        rule = "must be given until the run has a checkpoint"
        raise UsageError("--text_encoder", rule, "nothing")
    if new_run.word_vectors is not None:
        encoder = cast(WordVectorEncoder, cast(Matching, model).text_encoder)
        encoder.set_vectors(new_run.word_vectors.vectors)
    if inception is not None:
        cast(Matching, model).image_encoder.inception.set_weights(inception)


def _begin(
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    new_run: NewRun,
) -> recipes.Recipe:
    text_encoder = new_run.text_encoder
    precision = runtime.resolve_precision(recipe.precision)
    recipe = dataclasses.replace(recipe, precision=precision)
    if text_encoder is None and recipe.freeze_text_encoder:
        rule = "must come with --text_encoder, or it would never learn to read"
        raise UsageError("--freeze_text_encoder", rule, "none")
    by_words = recipe.text_encoder_kind in WORD_ENCODERS
    if new_run.texts is not None:
        tokenizers.write_vocabulary(run.vocabulary_file, tokenizers.count_words(new_run.texts))
    elif new_run.word_vectors is not None:
        words = dict.fromkeys(new_run.word_vectors.words, 1)
        tokenizers.write_vocabulary(run.vocabulary_file, words)
    elif text_encoder is not None and by_words:
        write_file(run.vocabulary_file, text_encoder.run.vocabulary_file.read_bytes())
    elif recipes.system_class(recipe).reads is not None and by_words:
        tokenizers.write_vocabulary(run.vocabulary_file, manifest.vocabulary)
    run.write_config(
        Config(
            recipe=recipe,
            data={**_description(manifest), **_examples(new_run.samples)},
            versions=environment.versions(),
            text_encoder=None if text_encoder is None else text_encoder.description,
            stage_one=None if new_run.stage_one is None else str(new_run.stage_one.run.path),
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


def _examples(samples: SampleCaptions) -> dict[str, list[str]]:
    """Entries of the sample captions in config.json."""
    return {"example_captions": list(samples.texts), "example_splits": list(samples.splits)}
