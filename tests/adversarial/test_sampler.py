"""Samplers: from generated images to pixels, truncation and interpolation."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.noise import latents
from tfgan2.adversarial.sampler import Sampler, UnconditionalSampler, slerp, to_pixels

SENTENCE_SIZE = 3


class Shown(keras.Model):
    """A generator that writes its latent, and its sentence if given, into grey pixels."""

    def call(self, latent: tf.Tensor, sentence: tf.Tensor | None = None) -> tf.Tensor:
        grey = latent[:, tf.newaxis, :, tf.newaxis] / 4.0
        if sentence is None:
            return grey
        return tf.concat([grey, sentence[:, tf.newaxis, :, tf.newaxis]], axis=2)


class Lengths(keras.Model):
    """A text encoder whose sentence repeats the caption's length."""

    sentence_size = SENTENCE_SIZE

    def call(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.repeat(tf.cast(tokens["length"], tf.float32)[:, tf.newaxis], SENTENCE_SIZE, 1)


def tokenize(captions: tf.Tensor) -> dict[str, tf.Tensor]:
    length = tf.strings.length(captions)
    return {"length": length, "unknown_words": length - 1}


def make_sampler(truncation: float = 1.0) -> Sampler:
    return Sampler(
        tokenizer=tokenize,
        text_encoder=Lengths(),
        generator=Shown(),
        latent_size=5,
        truncation=truncation,
    )


@pytest.mark.parametrize(
    ("lowest_value", "values", "pixels"),
    [
        (-1.0, [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], [0, 0, 64, 128, 191, 255, 255]),
        (0.0, [-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0], [0, 0, 64, 128, 191, 255, 255]),
    ],
)
def test_pixels_are_rounded_over_the_value_range(
    lowest_value: float, values: list[float], pixels: list[int]
) -> None:
    rounded = to_pixels(tf.constant(values), lowest_value=lowest_value)
    assert rounded.dtype == tf.uint8
    assert rounded.numpy().tolist() == pixels


def test_image_is_generated_from_latent_and_sentence() -> None:
    sampler = make_sampler()
    drawn = sampler.sample(["", "x"], [3, 4], 1.0)
    assert drawn.texts is None
    latent = latents(
        tf.constant([3, 4], tf.int64), tf.ones([2]), latent_size=5, default_truncation=1.0
    )
    np.testing.assert_array_equal(drawn.images[:, 0, :5, 0], to_pixels(latent / 4.0))
    # A sentence of 0 is grey, one of 1 is white.
    assert drawn.images[:, 0, 5:, 0].tolist() == [[128] * 3, [255] * 3]
    assert sampler.unknown_words(tf.constant(["", "x"])).numpy().tolist() == [-1, 0]


@pytest.mark.parametrize("truncation", [0.0, float("nan"), -3.0, 7.0])
def test_invalid_truncation_means_that_of_the_recipe(truncation: float) -> None:
    sampler = make_sampler(truncation=0.5)
    images = sampler.sample(["a"] * 3, [1, 2, 3], truncation).images
    np.testing.assert_array_equal(images, sampler.sample(["a"] * 3, [1, 2, 3], 0.5).images)
    assert not np.array_equal(images, sampler.sample(["a"] * 3, [1, 2, 3], 1.0).images)


def test_unconditional_image_depends_only_on_its_seed() -> None:
    def sampler(lowest_value: float) -> UnconditionalSampler:
        return UnconditionalSampler(
            generator=Shown(), latent_size=5, truncation=1.0, lowest_value=lowest_value
        )

    drawn = sampler(-1.0).sample(["", "anything"], [8, 9], 1.0)
    assert drawn.texts is None
    conditional = make_sampler().sample(["", ""], [8, 9], 1.0).images
    np.testing.assert_array_equal(drawn.images, conditional[:, :, :5])
    from_black = sampler(0.0).sample(["", ""], [8, 9], 1.0).images
    assert from_black.min() == 0
    assert not np.array_equal(from_black, drawn.images)


def test_interpolation_starts_and_ends_at_the_given_rows() -> None:
    sampler = make_sampler(truncation=0.7)
    way = sampler.interpolate(("a", "bb"), (3, 8), np.linspace(0, 1, 5, dtype=np.float32))
    assert way.shape[0] == 5
    ends = sampler.sample(["a", "bb"], [3, 8], 0.0).images
    np.testing.assert_array_equal(way[[0, -1]], ends)
    alone = UnconditionalSampler(
        generator=Shown(), latent_size=5, truncation=1.0, lowest_value=-1.0
    )
    way = alone.interpolate(("", ""), (3, 8), np.array([0.0, 1.0], np.float32))
    np.testing.assert_array_equal(way, alone.sample(["", ""], [3, 8], 0.0).images)


def test_slerp_keeps_the_length_and_falls_back_to_lerp_without_an_angle() -> None:
    one, other = tf.constant([2.0, 0.0]), tf.constant([0.0, 2.0])
    points = slerp(one, other, np.array([0.0, 0.5, 1.0], np.float32))
    np.testing.assert_allclose(points, [[2, 0], [2**0.5, 2**0.5], [0, 2]], atol=1e-6)
    still = slerp(one, one, np.array([0.0, 0.5, 1.0], np.float32))
    np.testing.assert_allclose(still, [[2, 0]] * 3, rtol=1e-4)
