"""Caption strings to ids, all in the graph.

Of tensorflow-text this uses what composes TensorFlow's own ops: such a graph runs wherever
TensorFlow does, `saved_model_cli` included, which knows no other ops.
"""

import collections
import os
import pathlib
from collections.abc import Iterable, Mapping

import tensorflow as tf
import tensorflow_text as tf_text

from tfgan2.program import write_file

PADDING_ID = 0
NOT_A_WORD = r"[^\pL\pN_]+"
COUNT_BATCH_SIZE = 4096


def split_words(captions: tf.Tensor) -> tf.RaggedTensor:
    """Splits captions into words: maximal runs of letters, digits and _, lower-cased.

    Bytes that are not UTF-8 separate words.

    Args:
      captions: string [B].

    Returns:
      Ragged string [B, words].
    """
    text = tf_text.coerce_to_structurally_valid_utf8(captions)
    # In this order: lower-casing ends at a NUL, which is no word either.
    spaced = tf.strings.regex_replace(text, NOT_A_WORD, " ")
    return tf.strings.split(tf.strings.lower(spaced, encoding="utf-8"))


def count_words(captions: Iterable[str]) -> dict[str, int]:
    """Counts the words of captions: the most frequent first, then by the alphabet."""
    captions = list(captions)
    counts: collections.Counter[str] = collections.Counter()
    for start in range(0, len(captions), COUNT_BATCH_SIZE):
        words = split_words(tf.constant(captions[start : start + COUNT_BATCH_SIZE], tf.string))
        counts.update(word.decode() for word in words.flat_values.numpy())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_vocabulary(path: pathlib.Path, counts: Mapping[str, int]) -> None:
    """Writes a vocabulary file: a word a line, in the order of the counts."""
    write_file(path, "".join(f"{word}\n" for word in counts).encode())


class WordTokenizer(tf.Module):
    """Words to ids; unknown words are left out, and counted."""

    def __init__(self, vocabulary_file: str | os.PathLike, *, max_words: int) -> None:
        """Loads a vocabulary.

        Args:
          vocabulary_file: a word a line; the first has id 1, since 0 pads.
          max_words: words of a caption beyond so many known ones are not read.
        """
        super().__init__(name="word_tokenizer")
        self.max_words = max_words
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary_file),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self._line_numbers = tf.lookup.StaticHashTable(initializer, default_value=-1)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding included."""
        return int(self._line_numbers.size()) + 1

    def __call__(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenizes captions.

        Args:
          captions: string [B].

        Returns:
          ids: int32 [B, max_words], padded with 0; length: int32 [B], known words read;
          unknown_words: int32 [B], counted over the whole caption.
        """
        lines = tf.ragged.map_flat_values(self._line_numbers.lookup, split_words(captions))
        known = tf.greater_equal(lines, 0)
        ids = tf.ragged.boolean_mask(lines + 1, known)[:, : self.max_words]
        unknown = tf.reduce_sum(tf.cast(tf.logical_not(known), tf.int32), axis=1)
        padded, _ = tf_text.pad_model_inputs(ids, self.max_words, pad_value=PADDING_ID)
        return {
            "ids": tf.cast(padded, tf.int32),
            "length": tf.cast(ids.row_lengths(), tf.int32),
            "unknown_words": unknown,
        }
