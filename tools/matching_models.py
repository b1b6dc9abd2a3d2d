"""Trains matching models of images and captions; imports TensorFlow only to train."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfgan2.models.matching.options import MatchingOptions
from tfgan2.program import Failure, UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.text.word_vectors import WORDLLAMA

if TYPE_CHECKING:
    from tfgan2.data import records
    from tfgan2.training import trainer

# A matching model compares the images of a batch.
FEWEST_IMAGES = 16
# Defaults of each kind, from the published code.
KINDS = {
    "damsm": recipes.Recipe(
        model="damsm", batch_size=48, text_encoder_kind="bi_lstm", sentence_size=256
    ),
    "word_vectors": recipes.Recipe(
        model="damsm", batch_size=48, text_encoder_kind="word_vectors", sentence_size=256
    ),
    "sje": recipes.Recipe(
        model="sje",
        batch_size=40,
        text_encoder_kind="char_cnn_rnn_cvpr2016",
        sentence_size=1024,
        matching_learning_rate=7e-4,
    ),
}


def train(
    kind: str,
    given: Mapping[str, Any],
    *,
    data_dir: str | os.PathLike,
    run_dir: str | os.PathLike,
    epochs: float,
    strategy: str = "auto",
    inception_weights: str | None = None,
    word_vectors: str | None = None,
) -> "trainer.Outcome":
    """Trains until the goal is reached; prints retrieval metrics after each pass over the data.

    Args:
      kind: a key of `KINDS`.
      given: options of the recipe that differ from the defaults of the kind.
      data_dir: data set, as tools.prepare writes it.
      run_dir: run directory: absent, empty, or a run of the same recipe.
      epochs: goal in passes over the data.
      strategy: devices, as in tfgan2.train.
      inception_weights: initial weights of an Inception-v3 image encoder, or None.
      word_vectors: word vectors of a `word_vectors` text encoder: a file; None: wordllama.

    Returns:
      The last step, and the goal; a signal may have stopped the training before.

    Raises:
      UsageError: the data set does not allow the options, or run_dir holds another run.
    """
    from tfgan2.data import records
    from tfgan2.training import trainer

    given = {**given}
    manifest = records.load_manifest(data_dir)
    if "image_size" not in given:
        sizes = MatchingOptions.image_sizes_px
        fitting = [size for size in sizes if size <= manifest.image_size]
        given["image_size"] = max(fitting, default=min(sizes))
    recipe = dataclasses.replace(KINDS[kind], **given)
    if word_vectors is None and recipe.text_encoder_kind == "word_vectors":
        word_vectors = WORDLLAMA
    steps_per_epoch = max(1, manifest.records("train") // recipe.batch_size)
    return trainer.train(
        recipe,
        recipes.Schedule(evaluate_every=steps_per_epoch, checkpoint_every=5 * steps_per_epoch),
        data_dir=data_dir,
        run_dir=run_dir,
        goal=trainer.Goal(epochs=epochs),
        strategy=strategy,
        inception_weights=inception_weights,
        word_vectors=word_vectors,
    )


def train_for_evaluation(
    data_dir: str | os.PathLike, manifest: "records.Manifest", *, epochs: float
) -> str:
    """Trains a DAMSM beside a data set, or finds the one of an earlier evaluation.

    A stopped training goes on at the next call.

    Args:
      data_dir: data set, as tools.prepare writes it.
      manifest: its manifest.
      epochs: goal in passes over the data.

    Returns:
      The run directory.

    Raises:
      UsageError: the folder of the data set cannot be written, or the data set is too small.
      Failure: a signal has stopped the training.
    """
    folder = pathlib.Path(data_dir) / f"matching-{epochs:g}epochs-{manifest.checksum[:12]}"
    if folder.is_dir():
        return str(folder)
    images = manifest.records("train")
    if images < FEWEST_IMAGES:
        rule = f"must have {FEWEST_IMAGES} train images for a matching model, or give --features"
        raise UsageError("--data_dir", rule, images)
    if not os.access(data_dir, os.W_OK):
        rule = "must be given, or the folder of the data set must be writable for a new model"
        raise UsageError("--matching", rule, "nothing")
    print(f"No labels: trains a matching model for {epochs:g} epochs in {folder}", flush=True)
    # The final name says that the training has reached its goal.
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    batch_size = min(KINDS["damsm"].batch_size, images)
    outcome = train(
        "damsm", {"batch_size": batch_size}, data_dir=data_dir, run_dir=unfinished, epochs=epochs
    )
    if outcome.step < outcome.goal:
        raise Failure("The training of the matching model was stopped; the same command resumes it")
    unfinished.rename(folder)
    return str(folder)
