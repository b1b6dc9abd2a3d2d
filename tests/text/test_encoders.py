"""The sentence encoder: padding has no influence."""

import numpy as np
import tensorflow as tf

from tfgan2.text.encoders import WordCNN


def test_padding_has_no_influence() -> None:
    encoder = WordCNN(vocabulary_size=9, sentence_size=5)
    short = encoder({"ids": tf.constant([[3, 4]]), "length": tf.constant([2])})
    padded = encoder({"ids": tf.constant([[3, 4, 0, 0, 0]]), "length": tf.constant([2])})
    rubbish = encoder({"ids": tf.constant([[3, 4, 7, 8, 1]]), "length": tf.constant([2])})
    np.testing.assert_allclose(short, padded, atol=1e-6)
    np.testing.assert_allclose(short, rubbish, atol=1e-6)


def test_order_and_words_have_influence() -> None:
    encoder = WordCNN(vocabulary_size=9, sentence_size=5)
    ids = tf.constant([[1, 2, 3], [3, 2, 1], [1, 2, 4]])
    one, turned, other = encoder({"ids": ids, "length": tf.constant([3, 3, 3])}).numpy()
    assert np.abs(one - turned).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3


def test_an_empty_caption_has_a_finite_sentence() -> None:
    encoder = WordCNN(vocabulary_size=9, sentence_size=5)
    sentence = encoder({"ids": tf.zeros([1, 4], tf.int32), "length": tf.constant([0])})
    assert np.isfinite(sentence.numpy()).all()
