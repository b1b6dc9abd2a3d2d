"""Adversarial losses equal hand-computed values, for every loss and set of outputs."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.adversarial import losses
from tfgan2.adversarial.losses import Logits

Logit = list[float] | list[list[list[float]]]

REAL, FAKE, WRONG = [0.5, 2.0], [-2.0, 0.5], [0.0, -0.5]
REAL_ALONE, FAKE_ALONE = [1.5, -1.0], [-0.5, 1.0]
REAL_PIXELS = [[[1.0, 3.0], [-1.0, 0.0]], [[0.5, 2.0], [0.0, -2.0]]]
FAKE_PIXELS = [[[-1.0, 0.0], [2.0, -3.0]], [[1.0, -0.5], [0.5, -2.0]]]
WRONG_PIXELS = [[[0.0, 1.0], [-2.0, 0.5]], [[-1.5, 0.0], [3.0, -1.0]]]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def hinge_real(logit: Logit) -> float:
    return float(np.mean([max(0.0, 1.0 - x) for x in np.ravel(logit)]))


def hinge_fake(logit: Logit) -> float:
    return float(np.mean([max(0.0, 1.0 + x) for x in np.ravel(logit)]))


def bce_real(logit: Logit) -> float:
    return float(np.mean([-math.log(1.0 / (1.0 + math.exp(-x))) for x in np.ravel(logit)]))


def bce_fake(logit: Logit) -> float:
    return float(np.mean([-math.log(1.0 - 1.0 / (1.0 + math.exp(-x))) for x in np.ravel(logit)]))


def relativistic_term(low: Logit, high: Logit) -> float:
    """RpGAN's term, row by row: softplus of the difference of two logits."""
    pairs = zip(np.ravel(low), np.ravel(high), strict=True)
    return float(np.mean([softplus(one - other) for one, other in pairs]))


def logits(*matched: Logit, alone: tuple[Logit, ...] = ()) -> Logits:
    return Logits(tuple(map(tf.constant, matched)), tuple(map(tf.constant, alone)))


def discriminator(
    loss: str, real: Logits, fake: Logits, wrong: Logits | None = None, *, weight: float = 1.0
) -> float:
    value = losses.discriminator(
        loss, real=real, fake=fake, mismatched=wrong, mismatch_weight=weight
    )
    assert value.dtype == tf.float32
    assert value.shape == []
    return float(value)


EACH_LOGIT = pytest.mark.parametrize(
    ("loss", "right", "wrong"),
    [("hinge", hinge_real, hinge_fake), ("bce", bce_real, bce_fake)],
    ids=["hinge", "bce"],
)


@EACH_LOGIT
def test_loss_averages_real_terms_and_fake_terms_over_the_outputs(
    loss: str, right: Callable, wrong: Callable
) -> None:
    pair = (logits(REAL), logits(FAKE), logits(WRONG))
    expected = right(REAL) + wrong(FAKE)
    assert discriminator(loss, *pair[:2]) == pytest.approx(expected, rel=1e-5)
    assert discriminator(loss, *pair, weight=0.0) == pytest.approx(expected, rel=1e-5)
    # GAN-CLS halves mismatched and generated pairs.
    halved = right(REAL) + 0.5 * (wrong(WRONG) + wrong(FAKE))
    assert discriminator(loss, *pair) == pytest.approx(halved, rel=1e-5)
    # StackGAN in PyTorch has two real terms and three fake ones.
    value = discriminator(
        loss,
        logits(REAL, alone=(REAL_ALONE,)),
        logits(FAKE, alone=(FAKE_ALONE,)),
        logits(WRONG, alone=(REAL_ALONE,)),
    )
    rights = (right(REAL) + right(REAL_ALONE)) / 2
    wrongs = (wrong(FAKE) + wrong(WRONG) + wrong(FAKE_ALONE)) / 3
    assert value == pytest.approx(rights + wrongs, rel=1e-5)
    # A discriminator without captions has two terms.
    value = discriminator(loss, logits(alone=(REAL_ALONE,)), logits(alone=(FAKE_ALONE,)))
    assert value == pytest.approx(right(REAL_ALONE) + wrong(FAKE_ALONE), rel=1e-5)
    # A U-Net averages the image logit and the pixel logits.
    real, fake = logits(REAL, REAL_PIXELS), logits(FAKE, FAKE_PIXELS)
    rights = (right(REAL) + right(REAL_PIXELS)) / 2
    value = discriminator(loss, real, fake)
    assert value == pytest.approx(rights + (wrong(FAKE) + wrong(FAKE_PIXELS)) / 2, rel=1e-5)
    value = discriminator(loss, real, fake, logits(WRONG, WRONG_PIXELS), weight=0.5)
    wrongs = wrong(FAKE) + wrong(FAKE_PIXELS) + 0.5 * (wrong(WRONG) + wrong(WRONG_PIXELS))
    assert value == pytest.approx(rights + wrongs / 3, rel=1e-5)


def test_relativistic_loss_compares_real_and_fake_logits_of_the_same_output() -> None:
    value = discriminator(
        "relativistic",
        logits(REAL, alone=(REAL_ALONE,)),
        logits(FAKE, alone=(FAKE_ALONE,)),
        logits(WRONG, alone=(REAL_ALONE,)),
        weight=0.5,
    )
    terms = (
        relativistic_term(FAKE, REAL)
        + relativistic_term(FAKE_ALONE, REAL_ALONE)
        + 0.5 * relativistic_term(WRONG, REAL)
    )
    assert value == pytest.approx(terms / 2.5, rel=1e-5)
    pixels = discriminator("relativistic", logits(REAL, REAL_PIXELS), logits(FAKE, FAKE_PIXELS))
    expected = (relativistic_term(FAKE, REAL) + relativistic_term(FAKE_PIXELS, REAL_PIXELS)) / 2
    assert pixels == pytest.approx(expected, rel=1e-5)


def test_generator_loss_adds_unconditional_terms_to_the_conditional_mean() -> None:
    fake = logits(FAKE, FAKE_PIXELS, alone=(FAKE_ALONE,))
    real = logits(REAL, REAL_PIXELS, alone=(REAL_ALONE,))
    value = float(losses.generator("bce", fake=fake))
    expected = (bce_real(FAKE) + bce_real(FAKE_PIXELS)) / 2 + bce_real(FAKE_ALONE)
    assert value == pytest.approx(expected, rel=1e-5)
    value = float(losses.generator("hinge", fake=fake))
    expected = -(np.mean(FAKE) + np.mean(FAKE_PIXELS)) / 2 - np.mean(FAKE_ALONE)
    assert value == pytest.approx(expected, rel=1e-5)
    value = float(losses.generator("relativistic", fake=fake, real=real))
    expected = (relativistic_term(REAL, FAKE) + relativistic_term(REAL_PIXELS, FAKE_PIXELS)) / 2
    assert value == pytest.approx(expected + relativistic_term(REAL_ALONE, FAKE_ALONE), rel=1e-5)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_unconditional_generator_loss_has_one_term(loss: str) -> None:
    alone = losses.generator(loss, fake=logits(alone=(FAKE,)), real=logits(alone=(REAL,)))
    matched = losses.generator(loss, fake=logits(FAKE), real=logits(REAL))
    assert float(alone) == pytest.approx(float(matched), rel=1e-6)
    assert float(alone) != 0.0


def test_row_logits_are_means_over_outputs_and_pixels() -> None:
    together = logits(REAL, REAL_PIXELS, alone=(REAL_ALONE,))
    assert [tuple(it.shape) for it in together.outputs] == [(2,), (2, 2, 2), (2,)]
    # (0.5 + 3/4 + 1.5) / 3 and (2 + 0.5/4 - 1) / 3.
    np.testing.assert_allclose(together.mean_per_row, [2.75 / 3, 1.125 / 3], rtol=1e-6)


def test_extreme_logits_have_finite_losses() -> None:
    far = logits([1e4, -1e4])
    for loss in losses.LOSSES:
        assert math.isfinite(discriminator(loss, far, logits([-1e4, 1e4]), far))


def test_mode_seeking_loss_equals_the_hand_computed_one() -> None:
    image, other = tf.zeros([2, 4, 4, 1]), tf.fill([2, 4, 4, 1], 0.5)
    latent, far = tf.zeros([2, 3]), tf.constant([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    expected = (1.0 / 0.501 + 2.0 / 0.501) / 2
    assert float(losses.mode_seeking(image, other, latent, far)) == pytest.approx(expected)


def test_mode_seeking_loss_is_finite_for_two_equal_images() -> None:
    image, latent = tf.zeros([2, 4, 4, 1]), tf.ones([2, 3])
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = losses.mode_seeking(image, tf.zeros([2, 4, 4, 1]), latent, 2.0 * latent)
    assert float(value) == pytest.approx(1.0 / losses.SMALLEST_DISTANCE)
    assert np.isfinite(tape.gradient(value, image)).all()


def test_feature_matching_equals_the_hand_computed_loss() -> None:
    real = [tf.constant([[[[1.0]]], [[[3.0]]]]), tf.constant([[[[10.0]]], [[[50.0]]]])]
    fake = [tf.constant([[[[1.5]]], [[[3.0]]]]), tf.constant([[[[10.0]]], [[[10.0]]]])]
    # Differences of 0.5 and 0, relative to 1 and 3; of 0 and 40, relative to 10 and 50.
    expected = (0.5 / 1.001 / 2 + 40.0 / 50.001 / 2) / 2
    assert float(losses.feature_matching(fake, real)) == pytest.approx(expected)


def test_feature_matching_trains_only_the_generated_images() -> None:
    features = tf.constant([[[[1.0, 2.0]]], [[[3.0, 5.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = losses.feature_matching([tf.stop_gradient(2.0 * features)], [features])
    assert tape.gradient(value, features) is None


def test_label_smoothing_equals_hand_computed_losses() -> None:
    value = losses.discriminator(
        "bce",
        real=logits([2.0, -1.0]),
        fake=logits([0.5, 0.5]),
        mismatched=None,
        mismatch_weight=1.0,
        label_smoothing=0.1,
    )
    # Real logits count 9/10 as real and 1/10 as fake: softplus(2) and softplus(-1).
    right = (0.126928 + 1.313262) / 2
    assert float(value) == pytest.approx(
        0.9 * right + 0.1 * (softplus(2) + softplus(-1)) / 2 + 0.974077, abs=1e-5
    )


def test_real_sign_is_the_sign_of_real_logits_or_of_relativistic_differences() -> None:
    real, fake = tf.constant([3.0, 0.1, -0.2, 5.0]), tf.constant([4.0, 0.0, -3.0, 6.0])
    for loss, expected in (("hinge", 0.5), ("bce", 0.5), ("relativistic", 0.0)):
        assert float(losses.ada_r_t(loss, real=real, fake=fake)) == expected
