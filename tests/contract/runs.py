"""Builds a system and a few of its batches, as the trainer does."""

import contextlib
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.contract.cases import Case
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.sampler import AnySampler, JointSampler, UnconditionalSampler
from tfgan2.data import pipeline, records
from tfgan2.interop import importing
from tfgan2.models.stack_gan.networks import MAGNIFICATION, StageOneGenerator
from tfgan2.runs import label_texts
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.text import encoders, tokenizers
from tfgan2.training import inputs, periodic, trainer

IMAGES_PER_EPOCH = 16


def make_tokenizer(
    recipe: recipes.Recipe, folder: pathlib.Path, manifest: records.Manifest
) -> tokenizers.Tokenizer | None:
    if recipes.system_class(recipe).reads is None:
        return None
    path = folder / "vocabulary.txt"
    texts = label_texts.label_texts(recipe, manifest)
    counts = manifest.vocabulary if texts is None else tokenizers.count_words(texts)
    tokenizers.write_vocabulary(path, counts)
    return encoders.make_tokenizer(recipes.text_options(recipe), path)


def make_gan(
    recipe: recipes.Recipe,
    tokenizer: tokenizers.Tokenizer | None,
    *,
    precision: str = "float32",
    run_eagerly: bool = False,
) -> GAN:
    """Builds and compiles a system; eager steps are faster for a few steps."""
    keras.utils.set_random_seed(recipe.seed)
    gan = recipes.build_model(
        recipe,
        image_channels=1,
        vocabulary_size=0 if tokenizer is None else tokenizer.vocabulary_size,
        dtype=precision,
    )
    if is_stage_two(recipe):
        # A new stage-I generator draws nearly equal images; normalizing them yields rounding noise.
        small = dataclasses.replace(recipe, image_size=recipe.image_size // MAGNIFICATION)
        drawing = StageOneGenerator(small, image_channels=1)
        perturb_weights(drawing)
        gan.load_stage1(drawing)
    gan.compile(optimizers=gan.make_optimizers(IMAGES_PER_EPOCH), run_eagerly=run_eagerly)
    return gan


def is_stage_two(recipe: recipes.Recipe) -> bool:
    return recipe.model == "stack_gan" and recipe.stage == 2


def make_batches(
    recipe: recipes.Recipe,
    data_dir: pathlib.Path,
    manifest: records.Manifest,
    tokenizer: tokenizers.Tokenizer | None,
    strategy: tf.distribute.Strategy | None = None,
) -> tf.data.Dataset:
    batches = pipeline.batches(
        data_dir,
        manifest,
        split="train",
        batch_size=recipe.batch_size,
        view=recipes.view(recipe),
        seed=recipe.seed,
        captions_per_image=recipe.captions_per_image,
        mismatch_other_class=recipe.mismatch_other_class,
    )
    texts = label_texts.label_texts(recipe, manifest)
    return inputs.distributed(
        inputs.tokenized(batches, tokenizer, texts=texts), strategy or tf.distribute.get_strategy()
    )


def first(dataset: tf.data.Dataset, count: int) -> list[dict]:
    return list(itertools.islice(iter(dataset), count))


def perturb_weights(network: keras.Model) -> None:
    """Adds noise to initial weights: some gradients vanish there and all images look alike."""
    for variable in network.trainable_variables:
        scale = min(0.2, np.prod(variable.shape[:-1]) ** -0.5)
        noise = np.random.default_rng(1).normal(scale=scale, size=variable.shape)
        variable.assign(variable + noise.astype(np.float32))


def train(
    case: Case,
    data_dir: pathlib.Path,
    run_dir: pathlib.Path,
    *,
    steps: int,
    checkpoint_every: int = 1,
) -> RunDirectory:
    """Trains up to a step, without sample grids."""
    recipe, options = case.recipe, {"checkpoint_every": checkpoint_every}
    if is_stage_two(recipe):
        options["stage1_run_dir"] = stage_one(recipe, data_dir, run_dir.parent)
    elif recipe.freeze_text_encoder:
        options["text_encoder"] = text_encoder(recipe, run_dir.parent)
    with without_sample_grids(), eagerly() if case.run_eagerly else contextlib.nullcontext():
        train_to(steps, recipe, data_dir, run_dir, **options)
    return RunDirectory.existing(run_dir)


def train_to(
    steps: int,
    recipe: recipes.Recipe,
    data_dir: pathlib.Path,
    run_dir: pathlib.Path,
    *,
    strategy: str = "one_device",
    text_encoder: pathlib.Path | None = None,
    stage1_run_dir: pathlib.Path | None = None,
    word_vectors: str | None = None,
    captions: str | None = None,
    init_from: pathlib.Path | None = None,
    **schedule: Any,
) -> trainer.Outcome:
    return trainer.train(
        recipe,
        recipes.Schedule(**schedule),
        data_dir=data_dir,
        run_dir=run_dir,
        goal=trainer.Goal(steps=steps),
        strategy=strategy,
        text_encoder=text_encoder,
        stage1_run_dir=stage1_run_dir,
        word_vectors=word_vectors,
        captions=captions,
        init_from=init_from,
    )


def start(
    recipe: recipes.Recipe,
    data_dir: pathlib.Path,
    run_dir: pathlib.Path,
    *,
    steps: int = 1,
    **options: Any,
) -> RunDirectory:
    """Trains eagerly, without sample grids."""
    with eagerly(), without_sample_grids():
        train_to(steps, recipe, data_dir, run_dir, **options)
    return RunDirectory.existing(run_dir)


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Runs the steps of systems that are compiled within this context eagerly."""
    with pytest.MonkeyPatch.context() as patch:
        compile_eagerly = functools.partialmethod(MultiUpdateModel.compile, run_eagerly=True)
        patch.setattr(MultiUpdateModel, "compile", compile_eagerly)
        yield


@contextlib.contextmanager
def without_sample_grids() -> Iterator[None]:
    """Draws no sample grids within this context: they take longer than a few tiny steps."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_grid", "finish"):
            patch.setattr(periodic.GeneratorWork, name, lambda self, step: None)
        yield


def text_encoder(recipe: recipes.Recipe, folder: pathlib.Path) -> pathlib.Path:
    """Creates a run of a character text encoder, for a recipe that freezes it."""
    path = folder / "text_encoder"
    if not path.exists():
        options = recipes.text_options(recipe)
        keras.utils.set_random_seed(recipe.seed)
        encoder = encoders.make_encoder(options, vocabulary_size=1)
        published = importing.PublishedTextEncoder(
            pathlib.Path("made.pth"), options, encoder, [], ["a 7"]
        )
        importing.import_text_encoder(published, run_dir=path, versions={})
    return path


def stage_one(recipe: recipes.Recipe, data_dir: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Trains a run of StackGAN's stage I, for a recipe of stage II."""
    path = folder / "stage_one"
    if not path.exists():
        first_stage = dataclasses.replace(
            recipe,
            stage=1,
            image_size=recipe.image_size // MAGNIFICATION,
            freeze_text_encoder=False,
        )
        train(Case(first_stage, run_eagerly=True), data_dir, path, steps=1)
    return path


def draw(
    sampler: AnySampler,
    captions: Sequence[str | bytes],
    seeds: Sequence[int],
    truncations: Sequence[float],
) -> np.ndarray:
    """Generated images of rows, as signed integers for subtraction."""
    rows = (
        tf.constant(captions),
        tf.constant(seeds, tf.int64),
        tf.constant(truncations, tf.float32),
    )
    if isinstance(sampler, UnconditionalSampler):
        images = sampler.pixels(*rows[1:])
    elif isinstance(sampler, JointSampler):
        images, _ = sampler.draw(*rows)
    else:
        images = sampler.pixels(*rows)
    return images.numpy().astype(int)
