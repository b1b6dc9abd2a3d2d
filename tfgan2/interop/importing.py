"""Imports published files as a run directory for evaluation, export and training."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.interop import df_gan, text_encoders, torch_files
from tfgan2.interop.new_folder import new_folder
from tfgan2.interop.weight_mapping import weights_of
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.text import tokenizers
from tfgan2.text.encoders import TextOptions, make_encoder

CHARACTER_EXAMPLE = "this bird is red with white and has a very short beak"
LICENCE = "that of the weights: ask those who published them"


@dataclasses.dataclass(frozen=True)
class PublishedTextEncoder:
    """A published text encoder.

    Attributes:
      file: path of its file.
      options: options that define the encoder.
      encoder: the encoder, with its weights.
      vocabulary: words of the ids 1, 2, ...; empty for characters.
      example_captions: some captions of its published files.
    """

    file: pathlib.Path
    options: TextOptions
    encoder: keras.Model
    vocabulary: list[str]
    example_captions: list[str]

    @property
    def unused(self) -> list[str]:
        """Names of the entries of its files that have no use here."""
        return ["wordtoix"] if self.vocabulary else []


def read_text_encoder(
    path: pathlib.Path, *, vocabulary: pathlib.Path | None
) -> PublishedTextEncoder:
    """Reads DAMSM's text encoder with its vocabulary, or char-CNN-RNN without one.

    Raises:
      UsageError: a file cannot be read, or holds something else.
    """
    state = weights_of(torch_files.read(path), name=str(path))
    words: list[str] = []
    captions = [CHARACTER_EXAMPLE]
    load: Callable[[Any, dict[str, np.ndarray]], None]
    if vocabulary is None:
        options = text_encoders.char_cnn_rnn_options(state)
        load = text_encoders.load_char_cnn_rnn
    else:
        options = text_encoders.damsm_options(state)
        words, captions = text_encoders.read_vocabulary(
            vocabulary, words=len(state[text_encoders.EMBEDDING])
        )
        load = text_encoders.load_damsm
    encoder = make_encoder(options, vocabulary_size=len(words) + 1)
    load(encoder, state)
    return PublishedTextEncoder(path, options, encoder, words, captions)


def import_df_gan(
    *,
    generator: pathlib.Path,
    discriminator: pathlib.Path | None,
    text_encoder: PublishedTextEncoder,
    recipe: recipes.Recipe,
    run_dir: str | os.PathLike,
    versions: Mapping[str, str],
    weights: str | None = None,
) -> list[str]:
    """Writes a run of DF-GAN with published weights.

    Args:
      generator: `state_epoch_NNN.pth` or `netG_NNN.pth`.
      discriminator: `netD_NNN.pth`, in the form of 2020.
      text_encoder: the text encoder, which the run keeps frozen.
      recipe: fields that the tensors do not define, its precision resolved.
      run_dir: absent or empty.
      versions: package versions.
      weights: generator weights that sampling uses: `ema`, `live`, or None: the EMA if the file
        holds one.

    Returns:
      Lines of text: the imported parts, the parts with new weights, and the unused entries.

    Raises:
      UsageError: a file cannot be read or is not valid, the EMA is missing, or `run_dir` is not
        empty.
    """
    files = df_gan.published(
        torch_files.read(generator),
        discriminator and torch_files.read(discriminator),
        file=str(generator),
        weights=weights,
    )
    fields = df_gan.sizes(files)
    if fields["sentence_size"] != text_encoder.options.sentence_size:
        rule = f"must give sentences of {fields['sentence_size']}, as {generator} reads"
        raise UsageError(str(text_encoder.file), rule, text_encoder.options.sentence_size)
    fields |= {**dataclasses.asdict(text_encoder.options), "freeze_text_encoder": True}
    base, recipe = recipe, dataclasses.replace(recipe, **fields)
    gan = recipes.build_model(
        recipe,
        image_channels=df_gan.image_channels(files),
        vocabulary_size=len(text_encoder.vocabulary) + 1,
        dtype=recipe.precision,
    )
    gan.compile(optimizers=gan.make_optimizers(images_per_epoch=1))
    new_parts = df_gan.load_weights(gan, files)
    gan.load_text_encoder(text_encoder.encoder)
    channels = df_gan.image_channels(files)
    with new_folder(run_dir, flag="--run_dir") as folder:
        _write(
            RunDirectory(folder),
            gan,
            recipe,
            text_encoder,
            versions,
            file=generator,
            channels=channels,
        )
    counts = f"{gan.generator.count_params():,} parameters of the generator"
    summary = f"DF-GAN of {files.form}, {recipe.image_size} px, step {int(gan.step)}: {counts}"
    notes = [summary, *(f"{part} starts anew" for part in new_parts)]
    if files.average:
        notes.append("sampling uses the EMA; training continues from the live weights")
    notes.append(_unused_entries([*files.unused, *text_encoder.unused]))
    flags = " ".join(f"--{name}={getattr(recipe, name)}" for name in recipe.differences(base))
    return [*notes, f"goes on with the recipe and {flags}"] if flags else notes


def import_text_encoder(
    text_encoder: PublishedTextEncoder, *, run_dir: str | os.PathLike, versions: Mapping[str, str]
) -> list[str]:
    """Writes a run of a text encoder only, for `tfgan2.train --text_encoder`.

    Returns:
      A line of text about the encoder.

    Raises:
      UsageError: `run_dir` is not empty.
    """
    model = "damsm" if text_encoder.vocabulary else "sje"
    fields = dataclasses.asdict(text_encoder.options)
    recipe = recipes.Recipe(model=model, precision="float32", **fields)
    part = tf.Module()
    part.step = tf.Variable(0, dtype=tf.int64)
    part.text_encoder = text_encoder.encoder
    with new_folder(run_dir, flag="--run_dir") as folder:
        _write(
            RunDirectory(folder),
            part,
            recipe,
            text_encoder,
            versions,
            file=text_encoder.file,
            channels=3,
        )
    kind, count = text_encoder.options.text_encoder_kind, text_encoder.encoder.count_params()
    summary = f"{kind}: {count:,} parameters, {len(text_encoder.vocabulary)} words"
    return [summary, *([_unused_entries(text_encoder.unused)] if text_encoder.unused else [])]


def _unused_entries(names: Sequence[str]) -> str:
    return f"not used: {', '.join(names) or 'nothing':.200}"


def _write(
    run: RunDirectory,
    state: tf.Module,
    recipe: recipes.Recipe,
    text_encoder: PublishedTextEncoder,
    versions: Mapping[str, str],
    *,
    file: pathlib.Path,
    channels: int,
) -> None:
    if text_encoder.vocabulary:
        tokenizers.write_vocabulary(run.vocabulary_file, dict.fromkeys(text_encoder.vocabulary, 1))
    imported = {"source": f"imported from {file.name}", "licence": LICENCE}
    data = {
        **imported,
        "imported": imported,
        "checksum": None,
        "channels": channels,
        "example_captions": text_encoder.example_captions,
    }
    config = Config(
        recipe=recipe,
        data=data,
        versions=versions,
        text_encoder=None,
        vocabulary_sha256=run.vocabulary_sha256(),
    )
    run.write_config(config)
    Checkpoints(state, run.checkpoints, keep=1).save()
