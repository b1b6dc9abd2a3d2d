"""Samplers of unconditional and joint systems."""

import pathlib

import tf_keras as keras

from tests.tiny import TINY
from tfgan2.adversarial.sampler import JointSampler, UnconditionalSampler
from tfgan2.runs import recipe as recipes
from tfgan2.text.tokenizers import WordTokenizer, write_vocabulary


def unconditional() -> UnconditionalSampler:
    """A sampler of auto-write with new weights."""
    keras.utils.set_random_seed(1)
    gan = recipes.build_model(
        TINY["auto_write"], image_channels=1, vocabulary_size=0, dtype="float32"
    )
    # Initial images are nearly equal; larger weights make them different.
    for layer in (*gan.average_generator.convolutions, gan.average_generator.last):
        layer.kernel.assign(layer.kernel * 30.0)
    return gan.sampler(None, truncation=1.0)


def joint(folder: pathlib.Path) -> JointSampler:
    """A sampler of IMG-TXT with new weights, whose texts are digits."""
    keras.utils.set_random_seed(1)
    path = folder / "vocabulary.txt"
    write_vocabulary(path, {str(digit): 1 for digit in range(10)})
    tokenizer = WordTokenizer(path, max_words=1)
    gan = recipes.build_model(
        TINY["img_txt"],
        image_channels=1,
        vocabulary_size=tokenizer.vocabulary_size,
        dtype="float32",
    )
    # Initial images and texts are nearly equal; larger weights make them different.
    first = gan.average_generator.first
    first.kernel.assign(first.kernel * 30.0)
    return gan.sampler(tokenizer, truncation=1.0)
