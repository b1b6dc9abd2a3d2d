"""From captions and seeds to pictures: the one path of sheets, evaluation and export."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.noise import latents


class Sampler(tf.Module):
    """Tokenizer, sentence encoder and generator in a row; a row never depends on its batch."""

    def __init__(
        self,
        *,
        tokenizer: Callable[[tf.Tensor], dict[str, tf.Tensor]],
        text_encoder: keras.Model,
        generator: keras.Model,
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

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Draws pictures of captions [B]; the rest as for `draw`."""
        return self.draw(self.embed(caption), seed, truncation)


def to_pixels(images: tf.Tensor) -> tf.Tensor:
    """Rounds images in [-1, 1] to uint8."""
    return tf.cast(tf.round((tf.clip_by_value(images, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)
