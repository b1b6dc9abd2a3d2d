"""Minibatch standard deviation: one channel per group of rows."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.models.layers.minibatch_deviation import with_deviation


def features(rows: int = 4) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).normal(size=[rows, 2, 2, 3]), tf.float32)


def test_channel_is_the_mean_standard_deviation_of_the_group() -> None:
    result = with_deviation(features(), group=2)
    assert result.shape == [4, 2, 2, 4]
    np.testing.assert_array_equal(result[..., :3], features())
    for first in (0, 2):
        expected = features().numpy()[first : first + 2].std(axis=0).mean()
        np.testing.assert_allclose(result[first : first + 2, ..., 3], expected, rtol=1e-4)


def test_channel_does_not_depend_on_other_groups() -> None:
    whole = with_deviation(features(8), group=4)
    np.testing.assert_allclose(whole[4:], with_deviation(features(8)[4:], group=4), rtol=1e-6)


def test_equal_rows_have_deviation_0_and_a_finite_gradient() -> None:
    same = tf.repeat(features(1), 4, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(same)
        result = with_deviation(same, group=4)
    assert float(tf.reduce_max(result[..., 3])) == pytest.approx(1e-4, rel=1e-3)
    assert np.isfinite(tape.gradient(result, same)).all()


def test_half_precision_is_kept_but_computed_in_float32() -> None:
    large = tf.cast(features() * 1000.0, tf.float16)  # Squares of this value overflow.
    result = with_deviation(large, group=4)
    assert result.dtype == tf.float16
    expected = large.numpy().astype(np.float64).std(axis=0).mean()
    np.testing.assert_allclose(result[..., 3], expected, rtol=2e-3)


def test_without_a_group_the_same_features_are_returned() -> None:
    result = features()
    assert with_deviation(result, group=0) is result
