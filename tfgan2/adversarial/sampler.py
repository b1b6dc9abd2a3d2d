"""From captions and seeds to pictures: the one path of sheets, evaluation and export."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.noise import latents
from tfgan2.text.tokenizers import Tokenizer

Seeds: TypeAlias = Sequence[int] | np.ndarray
Pair: TypeAlias = tuple[str, str]
# From latents, and from sentences where there are any, to images.
Draws: TypeAlias = Callable[..., tf.Tensor]
# Between vectors of one direction the arc is a line.
SMALLEST_ANGLE = 1e-3
ROW_TYPES = (
    tf.TensorSpec([None], tf.string),
    tf.TensorSpec([None], tf.int64),
    tf.TensorSpec([None], tf.float32),
)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Pictures uint8 [N, S, S, C], and of a joint model the N texts that it wrote with them."""

    images: np.ndarray
    texts: list[str] | None = None


class Sampler(tf.Module):
    """Tokenizer, sentence encoder and generator in a row; a row never depends on its batch."""

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        text_encoder: keras.Model,
        generator: Draws,
        latent_size: int,
        truncation: float,
    ) -> None:
        """Puts the path together.

        Args:
          tokenizer: from captions string [B] to ids, length and unknown_words.
          text_encoder: from ids and length to sentences float32 [B, D].
          generator: from latents and sentences to images float32 [B, S, S, C] in [-1, 1].
          latent_size: length of a latent.
          truncation: what a truncation outside (0, 1] means.
        """
        super().__init__(name="sampler")
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.generator = generator
        self.latent_size = latent_size
        self.truncation = truncation

    @property
    def sentence_size(self) -> int:
        """Length of a sentence vector."""
        return self.text_encoder.sentence_size

    def unknown_words(self, caption: tf.Tensor) -> tf.Tensor:
        """Counts the words of captions [B] that the vocabulary lacks: int32 [B]."""
        return self.tokenizer(caption)["unknown_words"]

    def embed(self, caption: tf.Tensor) -> tf.Tensor:
        """Encodes captions [B]: float32 [B, D]."""
        return self.text_encoder(self.tokenizer(caption))

    def draw(self, sentence: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Draws pictures of sentences.

        Args:
          sentence: float32 [B, D].
          seed: int64 [B].
          truncation: float32 [B]; outside (0, 1] it means the default.

        Returns:
          uint8 [B, S, S, C].
        """
        latent = latents(
            seed, truncation, latent_size=self.latent_size, default_truncation=self.truncation
        )
        return to_pixels(self.generator(latent, sentence))

    @tf.function(input_signature=ROW_TYPES)
    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Draws pictures of captions [B]; the rest as for `draw`."""
        return self.draw(self.embed(caption), seed, truncation)

    def sample(self, captions: Sequence[str], seeds: Seeds, truncation: float) -> Drawn:
        """Draws captions with seeds, one for one, all with one truncation."""
        return Drawn(self.pixels(*_rows(captions, seeds, truncation)).numpy())

    def between(self, captions: Pair, seeds: tuple[int, int], shares: np.ndarray) -> np.ndarray:
        """Draws pictures on the way from one caption and seed to another.

        Args:
          captions: the two; sentences are on the line through theirs.
          seeds: the two; latents are on the arc through theirs.
          shares: of the way, float32 [N].

        Returns:
          uint8 [N, S, S, C].
        """
        latent = _latents_between(self, seeds, shares)
        sentence = _line(self.embed(tf.constant(captions)), shares)
        return to_pixels(self.generator(latent, sentence)).numpy()


class UnconditionalSampler(tf.Module):
    """A generator that draws without captions."""

    def __init__(
        self, *, generator: Draws, latent_size: int, truncation: float, darkest: float
    ) -> None:
        """Puts the path together.

        Args:
          generator: from latents to images float32 [B, S, S, C] in [darkest, 1].
          latent_size: length of a latent.
          truncation: what a truncation outside (0, 1] means.
          darkest: what black is to the generator: -1 or 0.
        """
        super().__init__(name="unconditional_sampler")
        self.generator = generator
        self.latent_size = latent_size
        self.truncation = truncation
        self.darkest = darkest

    @tf.function(input_signature=ROW_TYPES[1:])
    def pixels(self, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Draws pictures uint8 [B, S, S, C] of seeds [B] with truncations [B]."""
        latent = latents(
            seed, truncation, latent_size=self.latent_size, default_truncation=self.truncation
        )
        return to_pixels(self.generator(latent), darkest=self.darkest)

    def sample(self, captions: Sequence[str], seeds: Seeds, truncation: float) -> Drawn:
        """Draws seeds with one truncation; captions say nothing to it."""
        return Drawn(self.pixels(*_rows(captions, seeds, truncation)[1:]).numpy())

    def between(self, captions: Pair, seeds: tuple[int, int], shares: np.ndarray) -> np.ndarray:
        """Draws pictures on the way from one seed to another, as `Sampler.between`."""
        latent = _latents_between(self, seeds, shares)
        return to_pixels(self.generator(latent), darkest=self.darkest).numpy()


class JointSampler(tf.Module):
    """A generator that draws a picture and writes its text, or draws a picture of a given text."""

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        words: Sequence[str],
        generator: keras.Model,
        latent_size: int,
        truncation: float,
    ) -> None:
        """Puts the path together.

        Args:
          tokenizer: from captions string [B] to ids, length and unknown_words.
          words: what the ids from 1 on stand for.
          generator: from latents, ids int32 [B, T] and length [B] of the given texts (0: to be
            written) to images float32 [B, S, S, C] in [-1, 1] and ids int32 [B, T].
          latent_size: length of a latent.
          truncation: what a truncation outside (0, 1] means.
        """
        super().__init__(name="joint_sampler")
        self.tokenizer = tokenizer
        self.generator = generator
        self.latent_size = latent_size
        self.truncation = truncation
        self._words = tf.constant(["", *words])

    def unknown_words(self, caption: tf.Tensor) -> tf.Tensor:
        """Counts the words of captions [B] that the vocabulary lacks: int32 [B]."""
        return self.tokenizer(caption)["unknown_words"]

    @tf.function(input_signature=ROW_TYPES)
    def draw(
        self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws pictures and writes texts, of captions [B] that are empty; else draws those.

        Returns:
          uint8 [B, S, S, C] and string [B].
        """
        latent = latents(
            seed, truncation, latent_size=self.latent_size, default_truncation=self.truncation
        )
        tokens = self.tokenizer(caption)
        image, ids = self.generator.draw(latent, tokens)
        words = tf.gather(self._words, ids)
        text = tf.strings.strip(tf.strings.reduce_join(words, axis=1, separator=" "))
        return to_pixels(image), text

    def sample(self, captions: Sequence[str], seeds: Seeds, truncation: float) -> Drawn:
        """Draws captions with seeds, one for one, all with one truncation."""
        images, texts = self.draw(*_rows(captions, seeds, truncation))
        return Drawn(images.numpy(), [text.decode() for text in texts.numpy()])

    def between(self, captions: Pair, seeds: tuple[int, int], shares: np.ndarray) -> np.ndarray:
        """Draws pictures on the way from one given text and seed to another; see `Sampler`."""
        latent = _latents_between(self, seeds, shares)
        text = self.generator.texts.encode(self.tokenizer(tf.constant(captions))["ids"])
        given = tf.ones([len(shares), 1])
        image, _ = self.generator(latent, text=_line(text, shares), text_given=given)
        return to_pixels(image).numpy()


AnySampler = Sampler | UnconditionalSampler | JointSampler


def to_pixels(images: tf.Tensor, *, darkest: float = -1.0) -> tf.Tensor:
    """Rounds images in [darkest, 1] to uint8."""
    share = (tf.clip_by_value(images, darkest, 1.0) - darkest) / (1.0 - darkest)
    return tf.cast(tf.round(share * 255.0), tf.uint8)


def _rows(
    captions: Sequence[str], seeds: Seeds, truncation: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return (
        tf.constant(list(captions), tf.string),
        tf.constant(np.asarray(seeds), tf.int64),
        tf.fill([len(seeds)], tf.constant(truncation, tf.float32)),
    )


def arc(one: tf.Tensor, other: tf.Tensor, shares: np.ndarray) -> tf.Tensor:
    """Points on the arc through two vectors, whose lengths go from the one's to the other's.

    Args:
      one: float32 [D].
      other: float32 [D].
      shares: of the way from the one to the other, float32 [N].

    Returns:
      float32 [N, D].

    Source: White 2016, "Sampling Generative Networks", section 2.1 (spherical interpolation).
    """
    cosine = tf.reduce_sum(tf.math.l2_normalize(one) * tf.math.l2_normalize(other))
    angle = tf.maximum(tf.acos(tf.clip_by_value(cosine, -1.0, 1.0)), SMALLEST_ANGLE)
    shares = tf.constant(shares, tf.float32)[:, tf.newaxis]
    return (tf.sin((1.0 - shares) * angle) * one + tf.sin(shares * angle) * other) / tf.sin(angle)


def _latents_between(sampler: AnySampler, seeds: tuple[int, int], shares: np.ndarray) -> tf.Tensor:
    one, other = latents(
        tf.constant(seeds, tf.int64),
        tf.zeros([2]),
        latent_size=sampler.latent_size,
        default_truncation=sampler.truncation,
    )
    return arc(one, other, shares)


def _line(ends: tf.Tensor, shares: np.ndarray) -> tf.Tensor:
    """Points [N, D] on the line through two rows [2, D]."""
    shares = tf.constant(shares, tf.float32)[:, tf.newaxis]
    return (1.0 - shares) * ends[0] + shares * ends[1]
