"""Unicode's canonical decomposition (NFD) in the graph, of TensorFlow's own ops.

A composed character (é) and its parts (e, acute) are the same text. Python's `unicodedata` gives
the tables; a graph holds them as constants of 60 kB.
"""

import functools
import unicodedata

import numpy as np
import tensorflow as tf

LONGEST = 4
ABSENT = -1
# Hangul syllables are composed by arithmetic: Unicode Standard, section 3.12.
FIRST_SYLLABLE, SYLLABLES = 0xAC00, 11172
FIRST_CONSONANT, FIRST_VOWEL, BEFORE_LAST_CONSONANT = 0x1100, 0x1161, 0x11A7
VOWELS, LAST_CONSONANTS = 21, 28
CLASSES = 256
# Planes 0 to 2 of Unicode hold all marks and composed characters.
END = 0x30000


def decompose(text: tf.Tensor) -> tf.Tensor:
    """Decomposes characters, and puts the marks of a character in Unicode's order.

    Args:
      text: string [B] in UTF-8.

    Returns:
      The text in NFD, string [B].
    """
    composed, parts, marks, classes = _tables()
    characters = tf.strings.unicode_decode(text, "UTF-8")
    # Replace each character by its parts.
    codes = characters.flat_values
    at = _find(composed, codes)
    alone = tf.pad(codes[:, tf.newaxis], [[0, 0], [0, LONGEST - 1]], constant_values=ABSENT)
    found = (tf.gather(composed, at) == codes)[:, tf.newaxis]
    replaced = tf.where(found, tf.gather(parts, at), alone)
    syllable = codes - FIRST_SYLLABLE
    is_syllable = ((syllable >= 0) & (syllable < SYLLABLES))[:, tf.newaxis]
    replaced = tf.where(is_syllable, _letters(syllable), replaced)
    nested = characters.with_flat_values(replaced).merge_dims(1, 2)
    characters = tf.ragged.boolean_mask(nested, nested != ABSENT)
    # Sort the marks behind each character by their class; other characters have class 0.
    codes = characters.flat_values
    at = _find(marks, codes)
    order = tf.where(tf.gather(marks, at) == codes, tf.gather(classes, at), 0)
    rows = characters.value_rowids()
    group = tf.cumsum(tf.cast(order == 0, tf.int64)) + rows
    sorted_codes = tf.gather(codes, tf.argsort(group * CLASSES + order, stable=True))
    return tf.strings.unicode_encode(characters.with_flat_values(sorted_codes), "UTF-8")


def _find(keys: np.ndarray, codes: tf.Tensor) -> tf.Tensor:
    """Index of the first key that is not below a code, or of the last key."""
    return tf.minimum(tf.searchsorted(keys, codes), len(keys) - 1)


def _letters(syllable: tf.Tensor) -> tf.Tensor:
    """Letters of Hangul syllables, int32 [N] from 0 on; int32 [N, 4]."""
    last = syllable % LAST_CONSONANTS
    absent = tf.fill(tf.shape(syllable), ABSENT)
    return tf.stack(
        [
            FIRST_CONSONANT + syllable // (VOWELS * LAST_CONSONANTS),
            FIRST_VOWEL + syllable // LAST_CONSONANTS % VOWELS,
            tf.where(last == 0, absent, BEFORE_LAST_CONSONANT + last),
            absent,
        ],
        axis=1,
    )


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns composed characters [C], their parts [C, 4], marks [M], their classes [M]."""
    composed, parts, marks, classes = [], [], [], []
    for code in range(END):
        character = chr(code)
        if order := unicodedata.combining(character):
            marks.append(code)
            classes.append(order)
        mapping = unicodedata.decomposition(character)
        if mapping and not mapping.startswith("<"):
            whole = [ord(part) for part in unicodedata.normalize("NFD", character)]
            composed.append(code)
            parts.append(whole + [ABSENT] * (LONGEST - len(whole)))
    return (
        np.array(composed, np.int32),
        np.array(parts, np.int32),
        np.array(marks, np.int32),
        np.array(classes, np.int64),
    )
