"""Tokenizers in the graph: caption strings to ids of words or characters.

From tensorflow-text this module uses only functions composed of TensorFlow's own ops, so the graph
runs wherever TensorFlow runs, also in `saved_model_cli`, which loads no other ops.
"""

import collections
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from tfgan2.characters import ALPHABET
from tfgan2.program import write_file

PADDING_ID = 0
NOT_A_WORD = r"[^\pL\pN_]+"
NOT_ASCII = r"[^\x00-\x7f]"
COUNT_BATCH_SIZE = 4096
MAX_CHARACTERS = 201
ASCII_CHARACTERS = 128
# Besides ASCII letters, the letters with other lower case in a Turkish or Lithuanian locale, and
# their lower case without a locale, as in Unicode.
LETTERS_OF_LANGUAGES = {
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}": "i\N{COMBINING DOT ABOVE}",
    "\N{LATIN CAPITAL LETTER I WITH GRAVE}": "\N{LATIN SMALL LETTER I WITH GRAVE}",
    "\N{LATIN CAPITAL LETTER I WITH ACUTE}": "\N{LATIN SMALL LETTER I WITH ACUTE}",
    "\N{LATIN CAPITAL LETTER I WITH TILDE}": "\N{LATIN SMALL LETTER I WITH TILDE}",
    "\N{LATIN CAPITAL LETTER I WITH OGONEK}": "\N{LATIN SMALL LETTER I WITH OGONEK}",
}
# The alphabet has only the ASCII letters and digits, and _.
OUTSIDE_ALPHABET = r".*[^\x00-\x7f].*"


class Tokenizer(Protocol):
    """Maps captions to ids, in the graph."""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding included."""

    def __call__(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Maps captions, string [B], to int32 ids [B, T], length [B] and unknown_words [B]."""


def split_words(captions: tf.Tensor) -> tf.RaggedTensor:
    """Splits captions into lower-case words: maximal runs of letters, digits and _.

    Bytes that are not UTF-8 separate words.

    Args:
      captions: string [B].

    Returns:
      Words, ragged string [B, words].
    """
    spaced = tf.strings.regex_replace(lower(captions), NOT_A_WORD, " ")
    return tf.strings.split(spaced)


def lower(captions: tf.Tensor) -> tf.Tensor:
    """Lower-cases captions, string [B]; bytes that are not UTF-8 become U+FFFD, a NUL a space."""
    text = tf_text.coerce_to_structurally_valid_utf8(captions)
    # tf.strings.lower would stop at a NUL.
    text = tf.strings.lower(tf.strings.regex_replace(text, r"\x00", " "))
    for capital, small in LETTERS_OF_LANGUAGES.items():
        text = tf.strings.regex_replace(text, capital, small)
    return tf.strings.lower(text, encoding="utf-8")


def words_of(captions: Iterable[str]) -> Iterator[list[str]]:
    """Yields the words of each caption, as `split_words` splits it."""
    captions = list(captions)
    for start in range(0, len(captions), COUNT_BATCH_SIZE):
        words = split_words(tf.constant(captions[start : start + COUNT_BATCH_SIZE], tf.string))
        texts = [word.decode() for word in words.flat_values.numpy()]
        for begin, end in itertools.pairwise(words.row_splits.numpy()):
            yield texts[begin:end]


def count_words(captions: Iterable[str]) -> dict[str, int]:
    """Counts the words of captions: most frequent first, then in alphabetical order."""
    counts = collections.Counter(itertools.chain.from_iterable(words_of(captions)))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_vocabulary(path: pathlib.Path, counts: Mapping[str, int]) -> None:
    """Writes a vocabulary file: one word per line, in the order of `counts`."""
    write_file(path, "".join(f"{word}\n" for word in counts).encode())


def _line_count(path: str | os.PathLike) -> int:
    with open(path, "rb") as file:
        return sum(1 for _ in file)


class WordTokenizer(tf.Module):
    """Maps words to ids; leaves out unknown words, and counts them.

    A word that is not in the vocabulary is looked up again with only its ASCII characters. With an
    ASCII vocabulary this equals DF-GAN's tokenizer; other vocabularies keep whole words.
    """

    def __init__(
        self, vocabulary_file: str | os.PathLike, *, max_words: int, pad_to_longest: bool = False
    ) -> None:
        """Loads a vocabulary.

        Args:
          vocabulary_file: file with one word per line; the first word has id 1, because 0 pads.
          max_words: maximum number of known words per caption; later words are ignored.
          pad_to_longest: whether captions are padded to the longest one of the batch, and to at
            least one word; otherwise to `max_words`.
        """
        super().__init__(name="word_tokenizer")
        self.max_words = max_words
        self._pad_to_longest = pad_to_longest
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary_file),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
            vocab_size=_line_count(vocabulary_file),  # An export with a cut file does not load.
        )
        self._line_numbers = tf.lookup.StaticHashTable(initializer, default_value=-1)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding included."""
        return int(self._line_numbers.size()) + 1

    @property
    def words(self) -> list[str]:
        """Words of the ids from 1 on."""
        words, lines = self._line_numbers.export()
        return [words.numpy()[at].decode() for at in np.argsort(lines.numpy())]

    def __call__(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenizes captions.

        Args:
          captions: string [B].

        Returns:
          ids: int32 [B, T], padded with 0; length: int32 [B], number of known words in `ids`;
          unknown_words: int32 [B], counted over the whole caption.
        """
        lines = tf.ragged.map_flat_values(self._look_up, split_words(captions))
        known = tf.greater_equal(lines, 0)
        ids = tf.ragged.boolean_mask(lines + 1, known)[:, : self.max_words]
        unknown = tf.reduce_sum(tf.cast(tf.logical_not(known), tf.int32), axis=1)
        length = tf.cast(ids.row_lengths(), tf.int32)
        width = tf.maximum(1, tf.reduce_max(length)) if self._pad_to_longest else self.max_words
        padded, _ = tf_text.pad_model_inputs(ids, width, pad_value=PADDING_ID)
        return {
            "ids": tf.cast(padded, tf.int32),
            "length": length,
            "unknown_words": unknown,
        }

    def _look_up(self, words: tf.Tensor) -> tf.Tensor:
        lines = self._line_numbers.lookup(words)
        in_ascii = self._line_numbers.lookup(tf.strings.regex_replace(words, NOT_ASCII, ""))
        return tf.where(lines >= 0, lines, in_ascii)


class CharacterTokenizer(tf.Module):
    """Maps lower-case characters to ids of the 70-symbol alphabet; other characters get 0.

    Source: Reed et al. 2016, "Learning Deep Representations of Fine-Grained Visual Descriptions",
      section 3, as in the published code, but with lower-casing, because the systems that use the
      encoder have lower-case captions.
    """

    def __init__(self) -> None:
        """Builds the id table; a symbol that occurs twice in the alphabet gets its last id."""
        super().__init__(name="character_tokenizer")
        ids = np.zeros([ASCII_CHARACTERS + 1], np.int32)
        for number, symbol in enumerate(ALPHABET, start=1):
            ids[ord(symbol)] = number
        self._ids = ids

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding included."""
        return len(ALPHABET) + 1

    def __call__(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenizes captions.

        Args:
          captions: string [B].

        Returns:
          ids: int32 [B, 201], padded with 0; length: int32 [B], number of characters in `ids`;
          unknown_words: int32 [B], words with a character outside the alphabet, counted over the
          whole caption.
        """
        characters = tf.strings.unicode_decode(lower(captions), "UTF-8")[:, :MAX_CHARACTERS]
        ids = tf.ragged.map_flat_values(self._look_up, characters)
        padded, _ = tf_text.pad_model_inputs(ids, MAX_CHARACTERS, pad_value=PADDING_ID)
        words = split_words(captions)
        outside = tf.strings.regex_full_match(words.flat_values, OUTSIDE_ALPHABET)
        unknown = words.with_flat_values(tf.cast(outside, tf.int32))
        return {
            "ids": tf.cast(padded, tf.int32),
            "length": tf.cast(characters.row_lengths(), tf.int32),
            "unknown_words": tf.reduce_sum(unknown, axis=1),
        }

    def _look_up(self, code_points: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._ids, tf.minimum(code_points, ASCII_CHARACTERS))
