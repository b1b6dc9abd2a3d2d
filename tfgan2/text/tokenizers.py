"""Tokenizers in the graph: caption strings to ids of words or characters.

From tensorflow-text this module uses only functions composed of TensorFlow's own ops, so the graph
runs wherever TensorFlow runs, also in `saved_model_cli`, which loads no other ops. Its op for
Unicode's normal forms is not among these functions. By the rules `unicode`, the graph therefore
compares captions with the vocabulary in their decomposed form (NFD), which needs only tables.
"""

import collections
import itertools
import os
import pathlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from plain_text import decoding
from tfgan2.characters import ALPHABET
from tfgan2.program import UsageError, write_file
from tfgan2.text.decomposition import decompose
from tfgan2.text.options import LETTERS, UNICODE

PADDING_ID = 0
UNKNOWN = -1
# Words by the rules `letters`.
NOT_A_WORD = r"[^\pL\pN_]+"
# Words by the rules `unicode`, in decomposed text: letters and digits with their marks. Joiners and
# variation selectors are no part of a word's spelling; the zero-width space separates words.
ZERO_WIDTH_SPACE = "\u200b"
IGNORED = r"[\p{Cf}\x{34f}\x{180b}-\x{180d}\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}]"
MARK = r"\p{Mn}\p{Mc}"
NOT_A_WORD_WITH_MARKS = rf"[^\pL\pN_{MARK}]+"
MARKS_ALONE = rf"(^| )[{MARK}]+"
# Scripts without spaces between words: each character, with its marks, is a word.
UNSPACED_SCRIPTS = (
    *("Han", "Hiragana", "Katakana", "Bopomofo", "Yi"),
    *("Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet"),
)
UNSPACED = "[" + "".join(rf"\p{{{name}}}" for name in UNSPACED_SCRIPTS) + rf"][{MARK}]*"
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


def split_words(captions: tf.Tensor, rules: str = UNICODE) -> tf.RaggedTensor:
    """Splits captions into lower-case words.

    Bytes that are not UTF-8 separate words.

    Args:
      captions: string [B].
      rules: `unicode`: runs of letters and digits with their marks, and of _; in scripts without
        spaces single characters with their marks. `letters`: runs of letters, digits and _.

    Returns:
      Words, ragged string [B, words]; by the rules `unicode` decomposed (NFD).
    """
    text = valid(captions)
    if rules == LETTERS:
        return tf.strings.split(tf.strings.regex_replace(lower(text), NOT_A_WORD, " "))
    text = lower(decompose(text))
    text = tf.strings.regex_replace(text, ZERO_WIDTH_SPACE, " ")
    text = tf.strings.regex_replace(text, IGNORED, "")
    text = tf.strings.regex_replace(text, NOT_A_WORD_WITH_MARKS, " ")
    text = tf.strings.regex_replace(text, UNSPACED, r" \0 ")
    return tf.strings.split(tf.strings.regex_replace(text, MARKS_ALONE, " "))


def valid(captions: tf.Tensor) -> tf.Tensor:
    """Captions, string [B], in which bytes that are not UTF-8 become U+FFFD, and a NUL a space."""
    text = tf_text.coerce_to_structurally_valid_utf8(captions)
    # tf.strings.lower would stop at a NUL.
    return tf.strings.regex_replace(text, r"\x00", " ")


def lower(text: tf.Tensor) -> tf.Tensor:
    """Lower-cases valid text, string [B]."""
    text = tf.strings.lower(text)
    for capital, small in LETTERS_OF_LANGUAGES.items():
        text = tf.strings.regex_replace(text, capital, small)
    return tf.strings.lower(text, encoding="utf-8")


def words_of(captions: Iterable[str], rules: str = UNICODE) -> Iterator[list[str]]:
    """Yields the words of each caption as `split_words` splits it, in a vocabulary's spelling."""
    captions = list(captions)
    for start in range(0, len(captions), COUNT_BATCH_SIZE):
        batch = tf.constant(captions[start : start + COUNT_BATCH_SIZE], tf.string)
        words = split_words(batch, rules)
        texts = [spelled(word.decode(), rules) for word in words.flat_values.numpy()]
        for begin, end in itertools.pairwise(words.row_splits.numpy()):
            yield texts[begin:end]


def spelled(word: str, rules: str) -> str:
    """A word as a vocabulary spells it: by the rules `unicode` composed (NFC)."""
    return word if rules == LETTERS else unicodedata.normalize("NFC", word)


def whole_words(texts: Sequence[str], rules: str) -> Iterator[str | None]:
    """Yields for each text its word, or None if the text is not one lower-case word as a whole."""
    for text, words in zip(texts, words_of(texts, rules), strict=True):
        yield words[0] if words == [spelled(text, rules)] else None


def count_words(captions: Iterable[str], rules: str = UNICODE) -> dict[str, int]:
    """Counts the words of captions: most frequent first, then in alphabetical order."""
    counts = collections.Counter(itertools.chain.from_iterable(words_of(captions, rules)))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_vocabulary(path: pathlib.Path, counts: Mapping[str, int]) -> None:
    """Writes a vocabulary file: one word per line, in the order of `counts`."""
    write_file(path, "".join(f"{word}\n" for word in counts).encode())


def read_vocabulary(path: str | os.PathLike) -> list[str]:
    """Reads a vocabulary file.

    Raises:
      UsageError: the file is not UTF-8.
    """
    try:
        text = decoding.decode(pathlib.Path(path).read_bytes(), flag=None)
    except decoding.EncodingError as error:
        raise UsageError(str(path), "must be a vocabulary in UTF-8", error) from error
    return text.removesuffix("\n").split("\n") if text else []


class WordTokenizer(tf.Module):
    """Maps words to ids; leaves out unknown words, and counts them.

    A word that is not in the vocabulary is looked up again with only its ASCII characters; by the
    rules `unicode`, é is e and an accent. By the rules `letters` and with an ASCII vocabulary, this
    equals DF-GAN's tokenizer; other vocabularies keep whole words.
    """

    def __init__(
        self,
        vocabulary_file: str | os.PathLike,
        *,
        max_words: int,
        pad_to_longest: bool = False,
        rules: str = UNICODE,
    ) -> None:
        """Loads a vocabulary.

        Args:
          vocabulary_file: file with one word per line; the first word has id 1, because 0 pads.
          max_words: maximum number of known words per caption; later words are ignored.
          pad_to_longest: whether captions are padded to the longest one of the batch, and to at
            least one word; otherwise to `max_words`.
          rules: rules by which the words of the vocabulary were counted, as in `split_words`.
        """
        super().__init__(name="word_tokenizer")
        self.max_words = max_words
        self._pad_to_longest = pad_to_longest
        self._rules = rules
        self._words = tuple(read_vocabulary(vocabulary_file))
        if rules == LETTERS:
            initializer = tf.lookup.TextFileInitializer(
                str(vocabulary_file),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                vocab_size=len(self._words),  # An export with a cut file does not load.
            )
        else:
            # A table must not be empty: the empty text, which is no word, stands in it as unknown.
            keys = [*(unicodedata.normalize("NFD", word) for word in self._words), ""]
            lines = [*range(len(self._words)), UNKNOWN]
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.constant(keys, tf.string), tf.constant(lines, tf.int64)
            )
        self._line_numbers = tf.lookup.StaticHashTable(initializer, default_value=UNKNOWN)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding included."""
        return len(self._words) + 1

    @property
    def words(self) -> list[str]:
        """Words of the ids from 1 on."""
        return list(self._words)

    def __call__(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenizes captions.

        Args:
          captions: string [B].

        Returns:
          ids: int32 [B, T], padded with 0; length: int32 [B], number of known words in `ids`;
          unknown_words: int32 [B], counted over the whole caption.
        """
        lines = tf.ragged.map_flat_values(self._look_up, split_words(captions, self._rules))
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
        characters = tf.strings.unicode_decode(lower(valid(captions)), "UTF-8")[:, :MAX_CHARACTERS]
        ids = tf.ragged.map_flat_values(self._look_up, characters)
        padded, _ = tf_text.pad_model_inputs(ids, MAX_CHARACTERS, pad_value=PADDING_ID)
        words = split_words(captions, LETTERS)
        outside = tf.strings.regex_full_match(words.flat_values, OUTSIDE_ALPHABET)
        unknown = words.with_flat_values(tf.cast(outside, tf.int32))
        return {
            "ids": tf.cast(padded, tf.int32),
            "length": tf.cast(characters.row_lengths(), tf.int32),
            "unknown_words": tf.reduce_sum(unknown, axis=1),
        }

    def _look_up(self, code_points: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._ids, tf.minimum(code_points, ASCII_CHARACTERS))
