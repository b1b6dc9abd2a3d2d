"""The ranking loss of captions and images equals loops over its formula."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.models.checks import parameter_count
from tfgan2.models.gan_cls.options import GANCLSOptions
from tfgan2.models.gan_cls.ranking import MARGIN, RankingImageEncoder, ranking

ROWS, SIZE = 5, 3


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def ranking_by_loops(images: np.ndarray, sentences: np.ndarray) -> float:
    total = 0.0
    for row in range(len(images)):
        right = cosine(images[row], sentences[row])
        total += max(0.0, MARGIN - right + cosine(images[row], sentences[row - 1]))
        total += max(0.0, MARGIN - right + cosine(images[row - 1], sentences[row]))
    return total / len(images)


@pytest.mark.parametrize("seed", range(3))
def test_loss_equals_loops_over_the_formula(seed: int) -> None:
    random = np.random.default_rng(seed)
    images, sentences = random.normal(size=[2, ROWS, SIZE]).astype(np.float32)
    loss = float(ranking(tf.constant(images), tf.constant(sentences)))
    assert loss == pytest.approx(ranking_by_loops(images, sentences), rel=1e-5)
    assert loss > 0


def test_loss_is_0_for_pairs_beyond_the_margin() -> None:
    codes = tf.eye(ROWS)
    assert float(ranking(codes, 3.0 * codes)) == 0.0
    # Equal similarities: two hinges of the margin for every row.
    alike = tf.ones([ROWS, SIZE])
    assert float(ranking(alike, alike)) == pytest.approx(2 * MARGIN)


def test_a_code_of_zeros_has_a_finite_gradient() -> None:
    images, sentences = tf.zeros([ROWS, SIZE]), tf.ones([ROWS, SIZE])
    with tf.GradientTape() as tape:
        tape.watch([images, sentences])
        loss = ranking(images, sentences)
    assert all(np.isfinite(it).all() for it in tape.gradient(loss, [images, sentences]))


def test_published_image_encoder_has_the_parameters_of_its_layers() -> None:
    options = GANCLSOptions(image_size=64, image_encoder_channels=64, sentence_size=128)
    encoder = RankingImageEncoder(options, image_channels=3)
    convolutions = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 4 * (128 + 256 + 512)
    assert parameter_count(encoder) == convolutions + 4 * 4 * 512 * 128
    assert encoder(tf.zeros([2, 64, 64, 3])).shape == (2, 128)
