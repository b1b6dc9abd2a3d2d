"""Builds the train function that `fit` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfgan2.adversarial.schedule import Phase

if TYPE_CHECKING:
    from tfgan2.adversarial.multi_update import MultiUpdateModel

INPUT_SECONDS = "input_seconds"


def make_function(
    model: MultiUpdateModel, *, steps: tf.Variable
) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Builds a function that runs steps on an iterator of batches and returns the last logs.

    The phase is chosen outside `strategy.run`, so skipped work never runs. In a graph, logs of
    skipped updates are 0. The logs also contain `input_seconds`, the wait for the batch in seconds.

    Args:
      model: compiled model.
      steps: steps per call, int64 scalar variable; the graph for one step has no loop.
    """
    phases = model.schedule.phases
    by_phase = [_replicated_step(model, phase) for phase in phases]
    # The first phase runs everything, so its logs have all the names.
    names: list[str] = []

    def step_of_phase(batch: Any) -> dict[str, tf.Tensor]:
        if len(phases) == 1:
            return by_phase[0](batch)

        def with_all_names(step: Callable) -> dict[str, tf.Tensor]:
            logs = step(batch)
            if model.run_eagerly:
                return logs
            # All branches of tf.switch_case must return the same names; the first is traced first.
            names.extend(() if names else logs)
            return {name: logs.get(name, tf.constant(0.0)) for name in names}

        index = model.schedule.phase_index(model.step.value())
        return tf.switch_case(index, [lambda it=it: with_all_names(it) for it in by_phase])

    def one_step(iterator: Iterator) -> dict[str, tf.Tensor]:
        return _with_next_batch(iterator, step_of_phase)

    def eager_steps(iterator: Iterator) -> dict[str, tf.Tensor]:
        for _ in range(int(steps.numpy())):
            logs = one_step(iterator)
        return logs

    if model.run_eagerly:
        return eager_steps
    step_graph = _graph(one_step)

    def several_steps(iterator: Iterator) -> dict[str, tf.Tensor]:
        # AutoGraph could convert the loop in `eager_steps`, but would trace a step twice.
        _, logs = tf.while_loop(
            lambda done, _: done < steps,
            lambda done, _: (done + 1, step_graph(iterator)),
            (tf.constant(1, tf.int64), step_graph(iterator)),
        )
        return logs

    return step_graph if int(steps.numpy()) == 1 else _graph(several_steps)


def make_one(model: MultiUpdateModel, phase: Phase) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Builds a function of an iterator that runs one step of a fixed phase.

    Args:
      model: compiled model.
      phase: phase of the step, independent of the step number.
    """
    step = _replicated_step(model, phase)
    return _graph(lambda iterator: _with_next_batch(iterator, step))


def _graph(function: Callable) -> Callable:
    # A step needs no AutoGraph. TensorFlow 2.15's AutoGraph does not exclude tf_keras and would
    # convert all of tf_keras, which makes tracing two to three times as long.
    return tf.function(function, autograph=False, reduce_retracing=True)


def _replicated_step(
    model: MultiUpdateModel, phase: Phase
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Builds a function of a batch that runs one step of a phase on all replicas; returns logs."""

    def run(batch: Any) -> dict[str, tf.Tensor]:
        return model.train_step(batch, phase)

    if model.jit_compile:
        run = tf.function(run, autograph=False, jit_compile=True, reduce_retracing=True)
    strategy = model.distribute_strategy

    def step(batch: Any) -> dict[str, tf.Tensor]:
        logs = strategy.run(run, args=(batch,))
        # All replicas return the same logs: means over the replicas.
        return {name: strategy.experimental_local_results(it)[0] for name, it in logs.items()}

    return step


def _with_next_batch(
    iterator: Iterator, step: Callable[[Any], dict[str, tf.Tensor]]
) -> dict[str, tf.Tensor]:
    """Runs a step on the next batch, and adds the wait for the batch in seconds to the logs.

    Ops that need no batch must not start first, or their time counts as input wait.
    """
    began = tf.timestamp()
    with tf.control_dependencies([began]):
        batch = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
        waited = tf.cast(tf.timestamp() - began, tf.float32)
    with tf.control_dependencies([waited]):
        return {**step(batch), INPUT_SECONDS: waited}
