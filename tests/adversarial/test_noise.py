"""Noise: a function of a row's seed in sampling, of seed, step and row in training."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.adversarial.augment import translate
from tfgan2.adversarial.noise import StepNoise, latents


def draw(seeds: list[int], truncation: list[float], default: float = 1.0) -> np.ndarray:
    return latents(
        tf.constant(seeds, tf.int64),
        tf.constant(truncation, tf.float32),
        latent_size=64,
        default_truncation=default,
    ).numpy()


def test_latent_depends_only_on_the_seed_of_its_row() -> None:
    together = draw([5, 6, 2**40 + 5, -5], [1.0, 0.5, 1.0, 1.0])
    np.testing.assert_array_equal(together[0], draw([5], [1.0])[0])
    np.testing.assert_array_equal(together[1], draw([6], [0.5])[0])
    assert len({row.tobytes() for row in together}) == 4


def test_truncation_bounds_the_latent() -> None:
    rows = draw(list(range(50)), [0.5] * 50)
    assert 0.9 < np.abs(rows).max() <= 1.0
    plain = draw(list(range(50)), [1.0] * 50)
    assert np.abs(plain).max() > 2.5
    assert plain.std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("odd", [0.0, -1.0, 1.5, math.nan, math.inf])
def test_invalid_truncation_means_the_default(odd: float) -> None:
    np.testing.assert_array_equal(draw([7], [odd], default=0.5), draw([7], [0.5]))
    np.testing.assert_array_equal(draw([7], [odd], default=1.0), draw([7], [1.0]))


def test_step_noise_is_a_function_of_seed_step_and_name() -> None:
    def noise(seed: int, step: int, scope: str, name: str) -> np.ndarray:
        source = StepNoise(seed=seed, step=tf.constant(step, tf.int64), scope=scope, batch_size=4)
        return source.normal(name, 3).numpy()

    one = noise(1, 2, "generator", "latent")
    np.testing.assert_array_equal(one, noise(1, 2, "generator", "latent"))
    others = [(2, 2, "generator", "latent"), (1, 3, "generator", "latent")]
    others += [(1, 2, "discriminator", "latent"), (1, 2, "generator", "second_latent")]
    for other in others:
        assert not np.array_equal(one, noise(*other))


def test_each_replica_gets_its_rows_of_the_noise() -> None:
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )

    @tf.function
    def rows(batch_size: int) -> tf.Tensor:
        step = tf.constant(3, tf.int64)
        return StepNoise(seed=1, step=step, scope="a", batch_size=batch_size).uniform("b", 2)

    halves = strategy.experimental_local_results(strategy.run(rows, args=(4,)))
    np.testing.assert_array_equal(np.concatenate(halves), rows(8))


def test_translation_moves_whole_pixels_and_repeats_the_border() -> None:
    image = tf.reshape(tf.range(32 * 32, dtype=tf.float32), [1, 32, 32, 1])
    images = tf.repeat(image, 40, axis=0)
    step = tf.constant(0, tf.int64)
    noise = StepNoise(seed=1, step=step, scope="a", batch_size=40)
    moved = translate(images, noise.uniform("real", 2), max_shift_px=2).numpy()
    shifts = set()
    for result in moved:
        dy, dx = divmod(int(result[16, 16, 0]) - (16 * 32 + 16) + 2 * 32 + 2, 32)
        shift = (dy - 2, dx - 2)
        rows = np.clip(np.arange(32) + shift[0], 0, 31)
        columns = np.clip(np.arange(32) + shift[1], 0, 31)
        np.testing.assert_array_equal(result, image[0].numpy()[rows][:, columns])
        shifts.add(shift)
    assert {shift for pair in shifts for shift in pair} == {-2, -1, 0, 1, 2}
