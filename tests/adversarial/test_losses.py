"""What the players want equals what is computed by hand, for every kind and set of outputs."""

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


def hinge_right(logit: Logit) -> float:
    return float(np.mean([max(0.0, 1.0 - x) for x in np.ravel(logit)]))


def hinge_wrong(logit: Logit) -> float:
    return float(np.mean([max(0.0, 1.0 + x) for x in np.ravel(logit)]))


def bce_right(logit: Logit) -> float:
    return float(np.mean([-math.log(1.0 / (1.0 + math.exp(-x))) for x in np.ravel(logit)]))


def bce_wrong(logit: Logit) -> float:
    return float(np.mean([-math.log(1.0 - 1.0 / (1.0 + math.exp(-x))) for x in np.ravel(logit)]))


def below(low: Logit, high: Logit) -> float:
    """How far the one is from being below the other, row by row: RpGAN's term."""
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
    [("hinge", hinge_right, hinge_wrong), ("bce", bce_right, bce_wrong)],
    ids=["hinge", "bce"],
)


@EACH_LOGIT
def test_terms_of_a_side_are_averaged_over_its_outputs(
    loss: str, right: Callable, wrong: Callable
) -> None:
    pair = (logits(REAL), logits(FAKE), logits(WRONG))
    game = right(REAL) + wrong(FAKE)
    assert discriminator(loss, *pair[:2]) == pytest.approx(game, rel=1e-5)
    assert discriminator(loss, *pair, weight=0.0) == pytest.approx(game, rel=1e-5)
    # GAN-CLS halves mismatched and generated pairs.
    halved = right(REAL) + 0.5 * (wrong(WRONG) + wrong(FAKE))
    assert discriminator(loss, *pair) == pytest.approx(halved, rel=1e-5)
    # StackGAN in PyTorch has two right terms and three wrong ones.
    value = discriminator(
        loss,
        logits(REAL, alone=(REAL_ALONE,)),
        logits(FAKE, alone=(FAKE_ALONE,)),
        logits(WRONG, alone=(REAL_ALONE,)),
    )
    rights = (right(REAL) + right(REAL_ALONE)) / 2
    wrongs = (wrong(FAKE) + wrong(WRONG) + wrong(FAKE_ALONE)) / 3
    assert value == pytest.approx(rights + wrongs, rel=1e-5)
    # What judges images alone has two.
    value = discriminator(loss, logits(alone=(REAL_ALONE,)), logits(alone=(FAKE_ALONE,)))
    assert value == pytest.approx(right(REAL_ALONE) + wrong(FAKE_ALONE), rel=1e-5)
    # A U-Net has the mean of the whole and the pixels.
    real, fake = logits(REAL, REAL_PIXELS), logits(FAKE, FAKE_PIXELS)
    rights = (right(REAL) + right(REAL_PIXELS)) / 2
    value = discriminator(loss, real, fake)
    assert value == pytest.approx(rights + (wrong(FAKE) + wrong(FAKE_PIXELS)) / 2, rel=1e-5)
    value = discriminator(loss, real, fake, logits(WRONG, WRONG_PIXELS), weight=0.5)
    wrongs = wrong(FAKE) + wrong(FAKE_PIXELS) + 0.5 * (wrong(WRONG) + wrong(WRONG_PIXELS))
    assert value == pytest.approx(rights + wrongs / 3, rel=1e-5)


def test_relativistic_compares_each_output_with_its_own() -> None:
    value = discriminator(
        "relativistic",
        logits(REAL, alone=(REAL_ALONE,)),
        logits(FAKE, alone=(FAKE_ALONE,)),
        logits(WRONG, alone=(REAL_ALONE,)),
        weight=0.5,
    )
    terms = below(FAKE, REAL) + below(FAKE_ALONE, REAL_ALONE) + 0.5 * below(WRONG, REAL)
    assert value == pytest.approx(terms / 2.5, rel=1e-5)
    pixels = discriminator("relativistic", logits(REAL, REAL_PIXELS), logits(FAKE, FAKE_PIXELS))
    expected = (below(FAKE, REAL) + below(FAKE_PIXELS, REAL_PIXELS)) / 2
    assert pixels == pytest.approx(expected, rel=1e-5)


def test_a_generator_adds_images_alone_to_the_mean_of_the_matched() -> None:
    fake = logits(FAKE, FAKE_PIXELS, alone=(FAKE_ALONE,))
    real = logits(REAL, REAL_PIXELS, alone=(REAL_ALONE,))
    value = float(losses.generator("bce", fake=fake))
    expected = (bce_right(FAKE) + bce_right(FAKE_PIXELS)) / 2 + bce_right(FAKE_ALONE)
    assert value == pytest.approx(expected, rel=1e-5)
    value = float(losses.generator("hinge", fake=fake))
    expected = -(np.mean(FAKE) + np.mean(FAKE_PIXELS)) / 2 - np.mean(FAKE_ALONE)
    assert value == pytest.approx(expected, rel=1e-5)
    value = float(losses.generator("relativistic", fake=fake, real=real))
    expected = (below(REAL, FAKE) + below(REAL_PIXELS, FAKE_PIXELS)) / 2
    assert value == pytest.approx(expected + below(REAL_ALONE, FAKE_ALONE), rel=1e-5)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_a_generator_of_images_judged_alone_has_one_term(loss: str) -> None:
    alone = losses.generator(loss, fake=logits(alone=(FAKE,)), real=logits(alone=(REAL,)))
    matched = losses.generator(loss, fake=logits(FAKE), real=logits(REAL))
    assert float(alone) == pytest.approx(float(matched), rel=1e-6)
    assert float(alone) != 0.0


def test_rows_are_means_over_outputs_and_pixels() -> None:
    together = logits(REAL, REAL_PIXELS, alone=(REAL_ALONE,))
    assert [tuple(it.shape) for it in together.outputs] == [(2,), (2, 2, 2), (2,)]
    # (0.5 + 3/4 + 1.5) / 3 and (2 + 0.5/4 - 1) / 3.
    np.testing.assert_allclose(together.mean_per_row, [2.75 / 3, 1.125 / 3], rtol=1e-6)


def test_far_logits_have_finite_losses() -> None:
    far = logits([1e4, -1e4])
    for loss in losses.LOSSES:
        assert math.isfinite(discriminator(loss, far, logits([-1e4, 1e4]), far))


def test_mode_seeking_equals_the_one_by_hand() -> None:
    image, other = tf.zeros([2, 4, 4, 1]), tf.fill([2, 4, 4, 1], 0.5)
    latent, far = tf.zeros([2, 3]), tf.constant([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    expected = (1.0 / 0.501 + 2.0 / 0.501) / 2
    assert float(losses.mode_seeking(image, other, latent, far)) == pytest.approx(expected)


def test_mode_seeking_is_finite_where_two_pictures_are_the_same() -> None:
    image, latent = tf.zeros([2, 4, 4, 1]), tf.ones([2, 3])
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = losses.mode_seeking(image, tf.zeros([2, 4, 4, 1]), latent, 2.0 * latent)
    assert float(value) == pytest.approx(1.0 / losses.SMALLEST_DISTANCE)
    assert np.isfinite(tape.gradient(value, image)).all()


def test_smoothed_labels_of_real_pairs_equal_the_numbers_by_hand() -> None:
    value = losses.discriminator(
        "bce",
        real=logits([2.0, -1.0]),
        fake=logits([0.5, 0.5]),
        mismatched=None,
        mismatch_weight=1.0,
        label_smoothing=0.1,
    )
    # Of the real ones 9/10 as before and 1/10 as if fake: softplus(2) and softplus(-1).
    right = (0.126928 + 1.313262) / 2
    assert float(value) == pytest.approx(
        0.9 * right + 0.1 * (softplus(2) + softplus(-1)) / 2 + 0.974077, abs=1e-5
    )


def test_real_images_are_told_by_their_sign_or_in_pairs() -> None:
    real, fake = tf.constant([3.0, 0.1, -0.2, 5.0]), tf.constant([4.0, 0.0, -3.0, 6.0])
    for loss, expected in (("hinge", 0.5), ("bce", 0.5), ("relativistic", 0.0)):
        assert float(losses.ada_r_t(loss, real=real, fake=fake)) == expected
