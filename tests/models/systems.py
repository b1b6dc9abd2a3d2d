"""A system with new weights, and batches of random images and ids for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.schedule import Phase
from tfgan2.adversarial.updates import Batch, LossInputs
from tfgan2.runs.recipe import Recipe, build_model

VOCABULARY_SIZE = 11
IMAGES_PER_EPOCH = 16


def make(recipe: Recipe, *, precision: str = "float32", image_channels: int = 1) -> GAN:
    keras.utils.set_random_seed(recipe.seed)
    gan = build_model(
        recipe, image_channels=image_channels, vocabulary_size=VOCABULARY_SIZE, dtype=precision
    )
    gan.compile(optimizers=gan.make_optimizers(IMAGES_PER_EPOCH))
    return gan


def some_batch(recipe: Recipe, *, seed: int = 0, image_channels: int = 1) -> Batch:
    random = np.random.default_rng(seed)
    rows, side, captions = recipe.batch_size, recipe.image_size, recipe.captions_per_image
    shape = [rows, captions] if captions > 1 else [rows]

    def tokens() -> dict[str, tf.Tensor]:
        length = random.integers(1, recipe.max_words + 1, shape)
        ids = random.integers(1, VOCABULARY_SIZE, [*shape, recipe.max_words])
        ids *= np.arange(recipe.max_words) < length[..., np.newaxis]
        return {"ids": tf.constant(ids, tf.int32), "length": tf.constant(length, tf.int32)}

    image = random.uniform(-1, 1, [rows, side, side, image_channels])
    return {
        "image": tf.constant(image, tf.float32),
        "label": tf.constant(random.integers(0, 10, [rows])),
        "tokens": tokens(),
        "mismatched_tokens": tokens(),
    }


def noise(scope: str = "generator", *, rows: int = 8, seed: int = 1) -> StepNoise:
    """The noise of step 0."""
    return StepNoise(seed=seed, step=tf.constant(0, tf.int64), scope=scope, batch_size=rows)


def inputs(
    model: MultiUpdateModel,
    batch: Batch,
    noise: StepNoise,
    generated: Any = None,
    *,
    phase: Phase | None = None,
) -> LossInputs:
    """Loss inputs with all optional parts active; the noise gives the generated batch."""
    if generated is None and isinstance(model, GAN):
        generated = model.generate(batch, noise)
    return LossInputs(batch, noise, phase or model.schedule.phases[0], generated)


def values(variables: Sequence[tf.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def same(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def none_same(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return len(one) == len(other) > 0 and not any(map(np.array_equal, one, other))
