"""The augmentation probability follows the sign of real logits (ADA)."""

import pytest
import tensorflow as tf

from tfgan2.adversarial.adaptive import AdaptiveProbability


def follow(adaptive: AdaptiveProbability, signs: list[float], *, first: int = 0) -> list[float]:
    """The augmentation probability after every step."""
    probabilities = []
    for step, sign in enumerate(signs, start=first):
        adaptive.observe(tf.constant(sign), tf.constant(step, tf.int64))
        probabilities.append(float(adaptive.probability))
    return probabilities


def make() -> AdaptiveProbability:
    """An augmentation that goes from 0 to 1 in 640 images: ten steps of 64."""
    return AdaptiveProbability(target=0.6, images=640, batch_size=64)


def test_probability_changes_after_every_fourth_step_by_the_images_of_four_steps() -> None:
    above = follow(make(), [1.0] * 12)
    assert above == pytest.approx([0, 0, 0, 0.4] + [0.4] * 3 + [0.8] * 4 + [1.0])
    assert follow(make(), [1.0, 0.0, 1.0, 1.0])[-1] == pytest.approx(0.4)  # Mean 0.75.
    assert follow(make(), [1.0, 0.0, 1.0, 0.0])[-1] == 0.0  # Mean 0.5.


def test_probability_falls_below_the_target_sign_and_stays_in_its_range() -> None:
    adaptive = make()
    follow(adaptive, [1.0] * 8)
    assert follow(adaptive, [0.5] * 12, first=8)[3::4] == pytest.approx([0.4, 0.0, 0.0], abs=1e-6)


def test_restored_state_continues_as_if_uninterrupted(tmp_path: object) -> None:
    signs = [0.9, 0.1, 0.8, 0.9, 0.2, 0.7, 0.9, 0.9]
    whole = follow(make(), signs)
    interrupted = make()
    first = follow(interrupted, signs[:6])
    path = tf.train.Checkpoint(adaptive=interrupted).write(f"{tmp_path}/it")
    resumed = make()
    tf.train.Checkpoint(adaptive=resumed).read(path).assert_consumed()
    assert first + follow(resumed, signs[6:], first=6) == whole
    assert 0 < whole[-1] < 1


def test_overflowing_signs_are_ignored() -> None:
    adaptive = make()
    assert follow(adaptive, [float("nan"), 1.0, 1.0, 1.0])[-1] == pytest.approx(0.4)
