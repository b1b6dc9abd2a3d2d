"""Captions and seeds to images: shared by sample grids, evaluation and export."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.noise import latents
from tfgan2.text.tokenizers import Tokenizer

Seeds: TypeAlias = Sequence[int] | np.ndarray
Pair: TypeAlias = tuple[str, str]
# Function of latents, and of sentence embeddings if conditional; returns images.
GeneratorFunction: TypeAlias = Callable[..., tf.Tensor]
# Function of a generator and the lengths of its input vectors; returns a generator.
MakeGenerator: TypeAlias = Callable[..., GeneratorFunction]
# Lower bound of the slerp angle in radians: for parallel vectors slerp becomes lerp.
SMALLEST_ANGLE = 1e-3
ROW_TYPES = (
    tf.TensorSpec([None], tf.string),
    tf.TensorSpec([None], tf.int64),
    tf.TensorSpec([None], tf.float32),
)


@dataclasses.dataclass(frozen=True)
class Samples:
    """Images, uint8 [N, S, S, C]; with a joint model also the N generated texts."""

    images: np.ndarray
    texts: list[str] | None = None


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class SeedSampler(tf.Module, abc.ABC):
    """Base of samplers: seeds to latents, images to pixels.

    Attributes:
      reads: conditioning input, as of the system: `captions`, `texts` or None.
      generator: generator; its images are float32 [B, S, S, C] in [lowest_value, 1].
      latent_size: length of a latent.
      truncation: default truncation; replaces a value outside (0, 1].
      lowest_value: lower end of the generator's value range: -1 or 0.
    """

    reads: ClassVar[str | None]
    generator: Any
    latent_size: int
    truncation: float
    lowest_value: float = -1.0

    def __post_init__(self) -> None:
        super().__init__()

    def interpolate(
        self, captions: Pair, seeds: tuple[int, int], weights: np.ndarray
    ) -> np.ndarray:
        """Generates images that interpolate between two captions and two seeds.

        Args:
          captions: two captions; their embeddings are interpolated linearly (lerp). Ignored if the
            sampler reads none.
          seeds: two seeds; their latents are interpolated spherically (slerp).
          weights: interpolation weights, float32 [N]; 0 is the first caption and seed.

        Returns:
          Images, uint8 [N, S, S, C].
        """
        one, other = self._latents(tf.constant(seeds, tf.int64), tf.zeros([2]))
        latent = slerp(one, other, weights)
        return self._pixels(self._interpolated(latent, captions, weights)).numpy()

    @abc.abstractmethod
    def _interpolated(self, latent: tf.Tensor, captions: Pair, weights: np.ndarray) -> tf.Tensor:
        """Images of interpolated latents and captions."""

    def _latents(self, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        size, default = self.latent_size, self.truncation
        return latents(seed, truncation, latent_size=size, default_truncation=default)

    def _pixels(self, images: tf.Tensor) -> tf.Tensor:
        return to_pixels(images, lowest_value=self.lowest_value)


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class Sampler(SeedSampler):
    """Tokenizer, text encoder and generator; a row never depends on the rest of the batch.

    Attributes:
      generator: maps latents and sentence embeddings to images.
      tokenizer: maps captions, string [B], to ids, length and unknown_words.
      text_encoder: maps ids and length to sentence embeddings, float32 [B, D].
    """

    reads = "captions"
    tokenizer: Tokenizer
    text_encoder: keras.Model

    def with_generator(self, make: MakeGenerator) -> "Sampler":
        """Copy with the generator that `make` returns for the generator and its input sizes."""
        generator = make(self.generator, self.latent_size, self.sentence_size)
        return dataclasses.replace(self, generator=generator)

    @property
    def sentence_size(self) -> int:
        """Length of a sentence embedding."""
        return self.text_encoder.sentence_size

    def unknown_words(self, caption: tf.Tensor) -> tf.Tensor:
        """Counts the words of captions [B] that the vocabulary lacks: int32 [B]."""
        return self.tokenizer(caption)["unknown_words"]

    def embed(self, caption: tf.Tensor) -> tf.Tensor:
        """Sentence embeddings of captions [B]: float32 [B, D]."""
        return self.text_encoder(self.tokenizer(caption))

    def draw(self, sentence: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Generates images from sentence embeddings.

        Args:
          sentence: sentence embeddings; float32 [B, D].
          seed: int64 [B].
          truncation: float32 [B]; a value outside (0, 1] means the default.

        Returns:
          Images, uint8 [B, S, S, C].
        """
        return self._pixels(self.generator(self._latents(seed, truncation), sentence))

    @tf.function(input_signature=ROW_TYPES, autograph=False)
    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Generates images of captions [B]; other arguments and result as for `draw`."""
        return self.draw(self.embed(caption), seed, truncation)

    def sample(self, captions: Sequence[str], seeds: Seeds, truncation: float) -> Samples:
        """Generates one image per pair of caption and seed, all with one truncation."""
        return Samples(self.pixels(*_rows(captions, seeds, truncation)).numpy())

    def _interpolated(self, latent: tf.Tensor, captions: Pair, weights: np.ndarray) -> tf.Tensor:
        return self.generator(latent, _lerp(self.embed(tf.constant(captions)), weights))


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class UnconditionalSampler(SeedSampler):
    """Sampler of a generator without captions, which maps latents to images."""

    reads = None

    def with_generator(self, make: MakeGenerator) -> "UnconditionalSampler":
        """Copy with the generator that `make` returns for the generator and its input size."""
        return dataclasses.replace(self, generator=make(self.generator, self.latent_size))

    @tf.function(input_signature=ROW_TYPES[1:], autograph=False)
    def pixels(self, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Generates images, uint8 [B, S, S, C], from seeds [B] and truncations [B]."""
        return self._pixels(self.generator(self._latents(seed, truncation)))

    def sample(self, captions: Sequence[str], seeds: Seeds, truncation: float) -> Samples:
        """Generates one image per seed, all with one truncation; captions are ignored."""
        return Samples(self.pixels(*_rows(captions, seeds, truncation)[1:]).numpy())

    def _interpolated(self, latent: tf.Tensor, captions: Pair, weights: np.ndarray) -> tf.Tensor:
        return self.generator(latent)


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class JointSampler(SeedSampler):
    """Sampler of a generator of images and texts; a given text replaces the generated text.

    Attributes:
      generator: maps latents, ids int32 [B, T] and length [B] of the given texts (length 0:
        generate the text) to images and ids int32 [B, T].
      tokenizer: maps captions, string [B], to ids, length and unknown_words.
      words: words of the ids from 1 on.
    """

    reads = "texts"
    tokenizer: Tokenizer
    words: Sequence[str]

    def with_generator(self, make: MakeGenerator) -> "JointSampler":
        """Returns this sampler: its generator has inputs besides vectors."""
        return self

    def unknown_words(self, caption: tf.Tensor) -> tf.Tensor:
        """Counts the words of captions [B] that the vocabulary lacks: int32 [B]."""
        return self.tokenizer(caption)["unknown_words"]

    @tf.function(input_signature=ROW_TYPES, autograph=False)
    def draw(
        self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates images of captions [B]; for an empty caption generates image and text.

        Returns:
          Images, uint8 [B, S, S, C], and texts, string [B].
        """
        tokens = self.tokenizer(caption)
        image, ids = self.generator.draw(self._latents(seed, truncation), tokens)
        words = tf.gather(tf.constant(["", *self.words]), ids)
        text = tf.strings.strip(tf.strings.reduce_join(words, axis=1, separator=" "))
        return self._pixels(image), text

    def sample(self, captions: Sequence[str], seeds: Seeds, truncation: float) -> Samples:
        """Generates one image and text per pair of caption and seed, all with one truncation."""
        images, texts = self.draw(*_rows(captions, seeds, truncation))
        return Samples(images.numpy(), [text.decode() for text in texts.numpy()])

    def _interpolated(self, latent: tf.Tensor, captions: Pair, weights: np.ndarray) -> tf.Tensor:
        text = self.generator.texts.encode(self.tokenizer(tf.constant(captions))["ids"])
        given = tf.ones([len(weights), 1])
        return self.generator(latent, text=_lerp(text, weights), text_given=given)[0]


AnySampler = Sampler | UnconditionalSampler | JointSampler


def to_pixels(images: tf.Tensor, *, lowest_value: float = -1.0) -> tf.Tensor:
    """Converts images in [lowest_value, 1] to uint8, with clipping and rounding."""
    fraction = (tf.clip_by_value(images, lowest_value, 1.0) - lowest_value) / (1.0 - lowest_value)
    return tf.cast(tf.round(fraction * 255.0), tf.uint8)


def _rows(
    captions: Sequence[str], seeds: Seeds, truncation: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return (
        tf.constant(list(captions), tf.string),
        tf.constant(np.asarray(seeds), tf.int64),
        tf.fill([len(seeds)], tf.constant(truncation, tf.float32)),
    )


def slerp(one: tf.Tensor, other: tf.Tensor, weights: np.ndarray) -> tf.Tensor:
    """Spherical interpolation (slerp) between two vectors of any length.

    Args:
      one: vector at weight 0; float32 [D].
      other: vector at weight 1; float32 [D].
      weights: interpolation weights; float32 [N].

    Returns:
      Interpolated vectors, float32 [N, D].

    Source: White 2016, "Sampling Generative Networks", section 2.1 (spherical interpolation).
    """
    cosine = tf.reduce_sum(tf.math.l2_normalize(one) * tf.math.l2_normalize(other))
    angle = tf.maximum(tf.acos(tf.clip_by_value(cosine, -1.0, 1.0)), SMALLEST_ANGLE)
    weights = tf.constant(weights, tf.float32)[:, tf.newaxis]
    return (tf.sin((1.0 - weights) * angle) * one + tf.sin(weights * angle) * other) / tf.sin(angle)


def _lerp(ends: tf.Tensor, weights: np.ndarray) -> tf.Tensor:
    """Linear interpolation (lerp) between two rows [2, D]: float32 [N, D]."""
    weights = tf.constant(weights, tf.float32)[:, tf.newaxis]
    return (1.0 - weights) * ends[0] + weights * ends[1]
