"""Word ids to one feature vector a sentence."""

import tensorflow as tf
import tf_keras as keras

WINDOW_WORDS = 3


class WordCNN(keras.Model):
    """A convolution over words and its maximum over the caption, learned with the GAN.

    Source: Kim 2014, "Convolutional Neural Networks for Sentence Classification", section 2, with
    one window size; the sentence is normalized so that its scale does not drift as it trains.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        sentence_size: int,
        dtype: keras.mixed_precision.Policy | str = "float32",
    ) -> None:
        """Builds the encoder.

        Args:
          vocabulary_size: number of ids, padding included.
          sentence_size: length of the sentence vector.
          dtype: policy of its layers.
        """
        super().__init__(name="text_encoder", dtype=dtype)
        self.word_embedding = keras.layers.Embedding(
            vocabulary_size,
            sentence_size,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            dtype=dtype,
        )
        self.convolution = keras.layers.Conv1D(
            sentence_size, WINDOW_WORDS, padding="same", activation="relu", dtype=dtype
        )
        self.sentence_size = sentence_size
        self.projection = keras.layers.Dense(sentence_size, dtype=dtype)
        self.normalization = keras.layers.LayerNormalization(dtype="float32")
        self({"ids": tf.zeros([1, 1], tf.int32), "length": tf.zeros([1], tf.int32)})

    def call(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Encodes captions; padding has no influence.

        Args:
          tokens: ids int32 [B, T] and length int32 [B].

        Returns:
          float32 [B, sentence_size].
        """
        words = self.word_embedding(tokens["ids"])
        mask = tf.sequence_mask(tokens["length"], tf.shape(tokens["ids"])[1], words.dtype)
        mask = mask[:, :, tf.newaxis]
        features = self.convolution(words * mask) * mask
        # Features are at least 0, so masked steps never win, and no word at all gives 0.
        return self.normalization(self.projection(tf.reduce_max(features, axis=1)))
