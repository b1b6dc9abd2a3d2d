"""Which steps have what."""

import pytest
import tensorflow as tf

from tfgan2.adversarial.remedies import Rhythm, Turn


def test_without_a_rhythm_every_step_has_everything() -> None:
    assert Rhythm().turns == (Turn(),)
    assert {Rhythm().turn(step) for step in range(20)} == {Turn()}


def test_the_last_of_so_many_steps_has_it() -> None:
    rhythm = Rhythm(discriminator_steps=3, penalty_every=2)
    assert [rhythm.turn(step).generates for step in range(6)] == [False, False, True] * 2
    assert [rhythm.turn(step).penalizes for step in range(6)] == [False, True] * 3


@pytest.mark.parametrize(("steps", "every"), [(1, 16), (5, 1), (2, 2), (2, 4), (3, 2)])
def test_the_graph_finds_the_turn_of_a_step(steps: int, every: int) -> None:
    rhythm = Rhythm(discriminator_steps=steps, penalty_every=every)
    assert rhythm.turns[0] == Turn()
    assert len(set(rhythm.turns)) == len(rhythm.turns)
    for step in (*range(40), 2**40 + 1):
        number = int(rhythm.number(tf.constant(step, tf.int64)))
        assert rhythm.turns[number] == rhythm.turn(step)


def test_turns_that_never_come_are_none() -> None:
    assert len(Rhythm(discriminator_steps=2, penalty_every=2).turns) == 2
    assert len(Rhythm(discriminator_steps=2, penalty_every=3).turns) == 4
