"""Builds a system and a few of its batches, as the trainer does."""

import itertools
import pathlib

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.gan import GAN
from tfgan2.data import pipeline, records
from tfgan2.interop import importing
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.text import encoders, tokenizers
from tfgan2.training import inputs, trainer

IMAGES_PER_EPOCH = 16


def make_tokenizer(
    recipe: recipes.Recipe, folder: pathlib.Path, manifest: records.Manifest
) -> tokenizers.Tokenizer:
    path = folder / "vocabulary.txt"
    tokenizers.write_vocabulary(path, manifest.vocabulary)
    return encoders.make_tokenizer(recipes.text_options(recipe), path)


def make_gan(recipe: recipes.Recipe, vocabulary_size: int, *, precision: str = "float32") -> GAN:
    keras.utils.set_random_seed(recipe.seed)
    gan = recipes.build_model(
        recipe, image_channels=1, vocabulary_size=vocabulary_size, dtype=precision
    )
    gan.compile(optimizers=gan.make_optimizers(IMAGES_PER_EPOCH))
    return gan


def make_batches(
    recipe: recipes.Recipe,
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tokenizer: tokenizers.Tokenizer,
    strategy: tf.distribute.Strategy | None = None,
) -> tf.data.Dataset:
    batches = pipeline.batches(
        data_dir,
        manifest,
        split="train",
        batch_size=recipe.batch_size,
        view=recipes.view(recipe),
        seed=recipe.seed,
    )
    return inputs.distributed(
        inputs.tokenized(batches, tokenizer), strategy or tf.distribute.get_strategy()
    )


def first(dataset: tf.data.Dataset, count: int) -> list[dict]:
    return list(itertools.islice(iter(dataset), count))


def train(
    recipe: recipes.Recipe, data_dir: pathlib.Path, run_dir: pathlib.Path, *, steps: int
) -> RunDirectory:
    trainer.train(
        recipe,
        recipes.Schedule(checkpoint_every=1000, sample_every=1000),
        data_dir=data_dir,
        run_dir=run_dir,
        goal=trainer.Goal(steps=steps),
        strategy="one_device",
        text_encoder=reader(recipe, run_dir.parent) if recipe.freeze_text_encoder else None,
    )
    return RunDirectory.existing(run_dir)


def reader(recipe: recipes.Recipe, folder: pathlib.Path) -> pathlib.Path:
    """A run of a text encoder by characters, for a recipe that freezes it."""
    path = folder / "text_encoder"
    if not path.exists():
        options = recipes.text_options(recipe)
        keras.utils.set_random_seed(recipe.seed)
        encoder = encoders.make_encoder(options, vocabulary_size=1)
        published = importing.Reader(pathlib.Path("made.pth"), options, encoder, [], ["a 7"])
        importing.import_text_encoder(published, run_dir=path, versions={})
    return path
