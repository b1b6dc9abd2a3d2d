"""The update schedule: which optional parts run in which step."""

import pytest
import tensorflow as tf

from tfgan2.adversarial.schedule import Phase, UpdateSchedule


def test_by_default_everything_runs_in_every_step() -> None:
    assert UpdateSchedule().phases == (Phase(),)
    assert {UpdateSchedule().phase(step) for step in range(20)} == {Phase()}


def test_generator_and_penalties_run_in_the_last_step_of_their_intervals() -> None:
    schedule = UpdateSchedule(discriminator_steps=3, penalty_every=2)
    phases = [schedule.phase(step) for step in range(6)]
    assert [phase.updates_generator for phase in phases] == [False, False, True] * 2
    assert [phase.penalty_factor for phase in phases] == [0.0, 2.0] * 3


@pytest.mark.parametrize(("steps", "every"), [(1, 16), (5, 1), (2, 2), (2, 4), (3, 2)])
def test_phase_of_a_step_is_found_in_a_graph(steps: int, every: int) -> None:
    schedule = UpdateSchedule(discriminator_steps=steps, penalty_every=every)
    assert schedule.phases[0] == Phase(penalty_factor=float(every))
    assert len(set(schedule.phases)) == len(schedule.phases)
    for step in (*range(40), 2**40 + 1):
        index = int(schedule.phase_index(tf.constant(step, tf.int64)))
        assert schedule.phases[index] == schedule.phase(step)


def test_schedule_has_no_phase_that_never_occurs() -> None:
    assert len(UpdateSchedule(discriminator_steps=2, penalty_every=2).phases) == 2
    assert len(UpdateSchedule(discriminator_steps=2, penalty_every=3).phases) == 4
