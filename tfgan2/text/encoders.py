"""Text encoders: ids to sentence embeddings, and in BiLSTM also to word features."""

import pathlib
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tfgan2.text.char_cnn_rnn import VARIANTS, CharCNNRNN, DType
from tfgan2.text.options import CHARACTER_ENCODERS, LETTERS, UNICODE, TextOptions
from tfgan2.text.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer
from tfgan2.text.word_dropout import drop_values
from tfgan2.text.word_vector_encoder import WordVectorEncoder

WINDOW_WORDS = 3
EMBEDDING_START = 0.1


def make_tokenizer(
    options: TextOptions, vocabulary_file: pathlib.Path, *, for_training: bool = False
) -> Tokenizer:
    """Builds the tokenizer of the text encoder that the options define.

    Args:
      options: options of the text encoder.
      vocabulary_file: file with one word per line; character encoders have none.
      for_training: whether captions are cut at `max_words` and all have this length.
    """
    if options.text_encoder_kind in CHARACTER_ENCODERS:
        return CharacterTokenizer()
    rules = LETTERS if options.word_rules == LETTERS else UNICODE
    if options.sampling_max_words and not for_training:
        return WordTokenizer(
            vocabulary_file,
            max_words=options.sampling_max_words,
            pad_to_longest=True,
            rules=rules,
        )
    return WordTokenizer(vocabulary_file, max_words=options.max_words, rules=rules)


def make_encoder(
    options: TextOptions, *, vocabulary_size: int, dtype: DType = "float32"
) -> keras.Model:
    """Builds a text encoder with new weights: tokens to sentence embeddings, float32 [B, D]."""
    kind, sentence_size = options.text_encoder_kind, options.sentence_size
    if kind in CHARACTER_ENCODERS:
        variant = VARIANTS[kind.removeprefix("char_cnn_rnn_")]
        return CharCNNRNN(variant=variant, sentence_size=sentence_size, dtype=dtype)
    if kind == "word_cnn":
        return WordCNN(vocabulary_size=vocabulary_size, sentence_size=sentence_size, dtype=dtype)
    encoder = {"bi_lstm": BiLSTM, "lstm": LSTM, "word_vectors": WordVectorEncoder}[kind]
    return encoder(
        vocabulary_size=vocabulary_size,
        sentence_size=sentence_size,
        word_embedding_size=options.word_embedding_size,
        dtype=dtype,
    )


class WordCNN(keras.Model):
    """A convolution over words and max pooling over the caption, trained with the GAN.

    Source: Kim 2014, "Convolutional Neural Networks for Sentence Classification", section 2, with
    one window size; layer normalization keeps the scale of the embedding fixed in training.
    """

    def __init__(
        self, *, vocabulary_size: int, sentence_size: int, dtype: DType = "float32"
    ) -> None:
        """Builds the encoder.

        Args:
          vocabulary_size: number of ids, padding included.
          sentence_size: length of the sentence embedding.
          dtype: dtype policy of the layers.
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
        # Features are at least 0, so masked steps never change the maximum; no word at all gives 0.
        return self.normalization(self.projection(tf.reduce_max(features, axis=1)))


class _WordLSTM(keras.Model):
    """LSTMs over words, in one direction or two."""

    directions: ClassVar[int]

    def __init__(
        self,
        *,
        vocabulary_size: int,
        sentence_size: int,
        word_embedding_size: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the encoder.

        Args:
          vocabulary_size: number of ids, padding included.
          sentence_size: length of the sentence embedding; in two directions also of a word's
            features, and even, because each direction gives one half.
          word_embedding_size: length of a word embedding.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="text_encoder", dtype=dtype)
        self.sentence_size = sentence_size
        initializer = keras.initializers.RandomUniform(-EMBEDDING_START, EMBEDDING_START)
        self.word_embedding = keras.layers.Embedding(
            vocabulary_size, word_embedding_size, embeddings_initializer=initializer, dtype=dtype
        )
        units = sentence_size // self.directions
        self.forward = _lstm(units, backwards=False, dtype=dtype)
        if self.directions == 2:
            self.backward = _lstm(units, backwards=True, dtype=dtype)
        self({"ids": tf.zeros([1, 1], tf.int32), "length": tf.zeros([1], tf.int32)})


class BiLSTM(_WordLSTM):
    """A bidirectional LSTM over words: DAMSM's text encoder, which DF-GAN uses.

    Source: Xu et al. 2018, "AttnGAN", section 3.2; sizes and initializers as in the published code.
    """

    directions = 2

    def call(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Encodes captions; padding has no influence.

        Args:
          tokens: ids int32 [B, T] and length int32 [B].

        Returns:
          Sentence embeddings, float32 [B, sentence_size]: the forward state at the last word, then
          the backward state at the first word.
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
            embedding values to 0 where a draw is below 1/2, as in the published training; None: no
            dropout.

        Returns:
          Word features, float32 [B, T, sentence_size], 0 at padded steps, and sentence embeddings,
          float32 [B, sentence_size].
        """
        words = drop_values(self.word_embedding(tokens["ids"]), dropout)
        mask = _mask(tokens)
        onward, last, _ = self.forward(words, mask=mask)
        back, first, _ = self.backward(words, mask=mask)
        features = tf.cast(tf.concat([onward, tf.reverse(back, axis=[1])], axis=2), tf.float32)
        sentence = tf.cast(tf.concat([last, first], axis=1), tf.float32)
        return features * tf.cast(mask, tf.float32)[:, :, tf.newaxis], sentence


class LSTM(_WordLSTM):
    """An LSTM over words; its last state is the embedding: the flowers project's text encoder.

    Source: the published code https://github.com/zsdonghao/text-to-image, with PyTorch's
    initializers; published: word_embedding_size 256, sentence_size 128.
    """

    directions = 1

    def call(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Encodes captions; padding has no influence.

        Args:
          tokens: ids int32 [B, T] and length int32 [B].

        Returns:
          Sentence embeddings, float32 [B, sentence_size] in (-1, 1).
        """
        mask = _mask(tokens)
        _, last, _ = self.forward(self.word_embedding(tokens["ids"]), mask=mask)
        return tf.cast(last, tf.float32)


def _mask(tokens: dict[str, tf.Tensor]) -> tf.Tensor:
    """Marks the words among the padding; bool [B, T]."""
    steps = tokens["ids"].shape[1]
    return tf.sequence_mask(
        tokens["length"], tf.shape(tokens["ids"])[1] if steps is None else steps
    )


class _RNN(keras.layers.RNN):
    """An RNN that is unrolled over a fixed number of steps, and a loop over any other number."""

    def call(self, inputs: tf.Tensor, **arguments: Any) -> list[tf.Tensor]:
        self.unroll = inputs.shape[1] is not None
        return super().call(inputs, **arguments)


def _lstm(units: int, *, backwards: bool, dtype: DType) -> keras.layers.RNN:
    """An LSTM of basic TensorFlow ops, which every server has, with PyTorch's initializers."""
    bound = units**-0.5
    cell = keras.layers.LSTMCell(
        units,
        kernel_initializer=keras.initializers.RandomUniform(-bound, bound),
        recurrent_initializer=keras.initializers.RandomUniform(-bound, bound),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        unit_forget_bias=False,
        dtype=dtype,
    )
    return _RNN(cell, return_sequences=True, return_state=True, go_backwards=backwards, dtype=dtype)
