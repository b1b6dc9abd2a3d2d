"""CutMix: its masks, and the closed forms of its losses."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.adversarial import cutmix
from tfgan2.adversarial.noise import StepNoise


def draw(rows: int, size: int, *, step: int = 0, name: str = "mask") -> np.ndarray:
    noise = StepNoise(seed=1, step=tf.constant(step, tf.int64), scope="d", batch_size=rows)
    return cutmix.masks(noise, name=name, image_size=size).numpy()


class Fixed:
    """Noise with given values."""

    def __init__(self, draws: np.ndarray) -> None:
        self.draws = tf.constant(draws, tf.float32)

    def uniform(self, name: str, size: int) -> tf.Tensor:
        del name
        assert size == self.draws.shape[1]
        return self.draws


def test_masks_are_binary_boxes() -> None:
    masks = draw(200, 16)
    assert masks.shape == (200, 16, 16, 1)
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) == {0.0, 1.0}
    assert len({mask.tobytes() for mask in masks}) > 150
    for mask in masks[..., 0]:
        parts = [mask == 0, mask == 1]
        extents = [part.any(axis=1).sum() * part.any(axis=0).sum() for part in parts]
        assert any(part.sum() == extent for part, extent in zip(parts, extents, strict=True))


def test_box_area_follows_lambda() -> None:
    # Lambda 3/4 gives half the side: at the center, at a corner, and inverted.
    draws = np.array([[0.75, 0.5, 0.5, 0.9], [0.75, 0.0, 1.0, 0.9], [0.75, 0.5, 0.25, 0.1]])
    masks = cutmix.masks(Fixed(draws), name="mask", image_size=8).numpy()[..., 0]
    expected = np.ones([3, 8, 8])
    expected[0, 2:6, 2:6] = 0
    expected[1, :2, 6:] = 0
    expected[2] = 0
    expected[2, 2:6, 0:4] = 1
    np.testing.assert_array_equal(masks, expected)


@pytest.mark.parametrize("box_is_real", [False, True])
def test_mean_box_area_is_that_of_a_uniform_lambda(box_is_real: bool) -> None:
    draws = np.random.default_rng(0).uniform(size=[4000, 4])
    draws[:, 3] = 0.1 if box_is_real else 0.9
    share = cutmix.masks(Fixed(draws), name="mask", image_size=32).numpy().mean()
    # A box of side r = sqrt(1 - lambda) around a uniform center has the mean side r - r^2 / 4
    # within the image; the mean area, with r^2 uniform: 1/2 - 1/2 * 2/5 + 1/16 * 1/3.
    box = 1 / 2 - 1 / 5 + 1 / 48
    assert share == pytest.approx(box if box_is_real else 1 - box, abs=0.015)


def test_masks_mix_real_and_fake_equally_without_a_preferred_side() -> None:
    masks = draw(4000, 32)
    assert masks.mean() == pytest.approx(0.5, abs=0.015)
    for axis in (1, 2):
        first, second = np.split(masks, 2, axis=axis)
        assert first.mean() == pytest.approx(second.mean(), abs=0.015)


def test_masks_depend_only_on_step_and_name() -> None:
    one = draw(8, 16, step=3)
    np.testing.assert_array_equal(one, draw(8, 16, step=3))
    assert not np.array_equal(one, draw(8, 16, step=4))
    assert not np.array_equal(one, draw(8, 16, step=3, name="other"))


def test_mixed_image_has_real_pixels_where_the_mask_is_one() -> None:
    mask = tf.constant([[1.0, 0.0], [0.0, 1.0]])[tf.newaxis, :, :, tf.newaxis]
    mixed = cutmix.mix(tf.fill([1, 2, 2, 3], 0.5), tf.fill([1, 2, 2, 3], -1.0), mask)
    expected = np.array([[0.5, -1.0], [-1.0, 0.5]])[np.newaxis, :, :, np.newaxis]
    np.testing.assert_array_equal(mixed, np.broadcast_to(expected, [1, 2, 2, 3]))


def test_loss_of_mixed_images_equals_the_hand_computed_one() -> None:
    softplus = lambda x: math.log1p(math.exp(x))  # noqa: E731
    mask = tf.constant([[[[1.0], [0.0]], [[0.0], [1.0]]]])
    pixels = tf.constant([[[2.0, -1.0], [0.5, -3.0]]])
    of_pixels = (softplus(-2) + softplus(-1) + softplus(0.5) + softplus(3)) / 4
    loss = cutmix.cutmix_loss(tf.constant([1.5]), pixels, mask)
    assert float(loss) == pytest.approx((of_pixels + softplus(1.5)) / 2, rel=1e-6)
    # The loss is the mean over two rows, not the sum.
    twice = cutmix.cutmix_loss(
        tf.constant([1.5, -0.5]), tf.repeat(pixels, 2, axis=0), tf.repeat(mask, 2, axis=0)
    )
    of_images = (softplus(1.5) + softplus(-0.5)) / 2
    assert float(twice) == pytest.approx((of_pixels + of_images) / 2, rel=1e-6)


def test_consistency_loss_equals_the_hand_computed_one() -> None:
    mask = tf.constant([[[[1.0], [0.0]], [[0.0], [1.0]]]])
    real, fake = (
        tf.constant([[[1.0, 2.0], [3.0, 4.0]]]),
        tf.constant([[[-1.0, -2.0], [-3.0, -4.0]]]),
    )
    exact = tf.constant([[[1.0, -2.0], [-3.0, 4.0]]])
    assert float(cutmix.consistency(exact, real, fake, mask)) == 0.0
    off = exact + tf.constant([[[1.0, 0.0], [-2.0, 3.0]]])
    assert float(cutmix.consistency(off, real, fake, mask)) == pytest.approx((1 + 4 + 9) / 4)
