"""A text encoder of frozen word vectors and one trained linear layer."""

import tensorflow as tf
import tf_keras as keras

from tfgan2.text.word_dropout import drop_values


class WordVectorEncoder(keras.Model):
    """Adds the frozen vectors of a caption's words; a trained linear layer projects the sum.

    The vectors know words that the data set does not have, and the sum gives a new combination of
    words an embedding between those of its words. The order of the words has no influence.

    Source: Wieting et al. 2016, "Towards Universal Paraphrastic Sentence Embeddings", section 3
      (the projection of averaged word vectors); here the sum is divided by the root of the number
      of words, so that the scale of the embedding does not depend on the length of the caption.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        sentence_size: int,
        word_embedding_size: int,
        dtype: keras.mixed_precision.Policy | str = "float32",
    ) -> None:
        """Builds the encoder; `set_vectors` sets the word vectors.

        Args:
          vocabulary_size: number of ids, padding included.
          sentence_size: length of the sentence embedding and of a word's features.
          word_embedding_size: length of a word vector.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="text_encoder", dtype=dtype)
        self.sentence_size = sentence_size
        self.word_embedding = keras.layers.Embedding(
            vocabulary_size, word_embedding_size, trainable=False, dtype=dtype
        )
        self.projection = keras.layers.Dense(sentence_size, use_bias=False, dtype=dtype)
        self({"ids": tf.zeros([1, 1], tf.int32), "length": tf.zeros([1], tf.int32)})

    def set_vectors(self, vectors: tf.Tensor) -> None:
        """Sets the vectors of the words of the ids from 1 on, float32 [V, D]; id 0 has zeros."""
        self.word_embedding.set_weights([tf.pad(vectors, [[1, 0], [0, 0]])])

    def call(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Encodes captions; padding has no influence.

        Args:
          tokens: ids int32 [B, T] and length int32 [B].

        Returns:
          Sentence embeddings, float32 [B, sentence_size].
        """
        _, sentence = self.words_and_sentence(tokens)
        return sentence

    def words_and_sentence(
        self, tokens: dict[str, tf.Tensor], *, dropout: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodes words and whole captions.

        Args:
          tokens: as for `call`.
          dropout: uniform draws in [0, 1), float32 [B, T * word_embedding_size]; dropout sets
            values of the vectors to 0 where a draw is below 1/2; None: no dropout.

        Returns:
          Word features, float32 [B, T, sentence_size], 0 at padded steps, and sentence embeddings,
          float32 [B, sentence_size].
        """
        words = drop_values(self.word_embedding(tokens["ids"]), dropout)
        features = tf.cast(self.projection(words), tf.float32)
        real = tf.sequence_mask(tokens["length"], tf.shape(words)[1], tf.float32)
        features *= real[:, :, tf.newaxis]
        count = tf.maximum(1.0, tf.cast(tokens["length"], tf.float32))[:, tf.newaxis]
        return features, tf.reduce_sum(features, axis=1) / tf.sqrt(count)
