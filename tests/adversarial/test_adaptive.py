"""How often images are augmented follows what the discriminator says of real ones."""

import pytest
import tensorflow as tf

from tfgan2.adversarial.adaptive import AdaptiveProbability


def follow(adaptive: AdaptiveProbability, signs: list[float], *, first: int = 0) -> list[float]:
    """The probability after every step."""
    seen = []
    for step, sign in enumerate(signs, start=first):
        adaptive.observe(tf.constant(sign), tf.constant(step, tf.int64))
        seen.append(float(adaptive.probability))
    return seen


def make() -> AdaptiveProbability:
    """One that takes 640 images, or ten steps of 64, from 0 to 1."""
    return AdaptiveProbability(target=0.6, images=640, batch_size=64)


def test_it_moves_after_every_fourth_step_by_the_images_of_four() -> None:
    above = follow(make(), [1.0] * 12)
    assert above == pytest.approx([0, 0, 0, 0.4] + [0.4] * 3 + [0.8] * 4 + [1.0])
    assert follow(make(), [1.0, 0.0, 1.0, 1.0])[-1] == pytest.approx(0.4)  # Their mean is 0.75.
    assert follow(make(), [1.0, 0.0, 1.0, 0.0])[-1] == 0.0  # It is 0.5.


def test_it_falls_where_real_images_are_not_told_and_stays_in_its_range() -> None:
    adaptive = make()
    follow(adaptive, [1.0] * 8)
    assert follow(adaptive, [0.5] * 12, first=8)[3::4] == pytest.approx([0.4, 0.0, 0.0], abs=1e-6)


def test_a_start_in_between_goes_on_as_if_there_had_been_none(tmp_path: object) -> None:
    signs = [0.9, 0.1, 0.8, 0.9, 0.2, 0.7, 0.9, 0.9]
    whole = follow(make(), signs)
    broken = make()
    begun = follow(broken, signs[:6])
    path = tf.train.Checkpoint(adaptive=broken).write(f"{tmp_path}/it")
    resumed = make()
    tf.train.Checkpoint(adaptive=resumed).read(path).assert_consumed()
    assert begun + follow(resumed, signs[6:], first=6) == whole
    assert 0 < whole[-1] < 1


def test_what_overflows_says_nothing() -> None:
    adaptive = make()
    assert follow(adaptive, [float("nan"), 1.0, 1.0, 1.0])[-1] == pytest.approx(0.4)
