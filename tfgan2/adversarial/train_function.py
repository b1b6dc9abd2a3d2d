"""Builds the train function that `fit` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfgan2.adversarial.remedies import Turn

if TYPE_CHECKING:
    from tfgan2.adversarial.gan import GAN

INPUT_SECONDS = "input_seconds"


def make_function(gan: GAN, *, count: tf.Variable) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Builds a function that runs steps on an iterator of batches and returns the last logs.

    The phase is chosen outside `strategy.run`, so skipped work never runs. In a graph, logs of
    skipped updates are 0. The logs also contain `input_seconds`, the wait for the batch in seconds.

    Args:
      gan: compiled system.
      count: steps per call, int64 scalar variable; the graph for one step has no loop.
    """
    turns = gan.rhythm.turns
    takes = [_take(gan, turn) for turn in turns]
    names: list[str] = []

    def step(iterator: Iterator) -> dict[str, tf.Tensor]:
        return _with_next(iterator, turn)

    def turn(batch: Any) -> dict[str, tf.Tensor]:
        if len(takes) == 1:
            return takes[0](batch)

        def branch(take: Callable) -> Callable[[], dict[str, tf.Tensor]]:
            def taken() -> dict[str, tf.Tensor]:
                parts = take(batch)
                if gan.run_eagerly:
                    return parts
                # Traced first, the first phase runs everything, so its logs have all the names.
                names.extend(() if names else parts)
                return {name: parts.get(name, tf.constant(0.0)) for name in names}

            return taken

        number = gan.rhythm.number(gan.step.value())
        return tf.switch_case(number, [branch(take) for take in takes])

    def eagerly(iterator: Iterator) -> dict[str, tf.Tensor]:
        for _ in range(int(count.numpy())):
            parts = step(iterator)
        return parts

    if gan.run_eagerly:
        return eagerly
    one = _graph(step)

    def several(iterator: Iterator) -> dict[str, tf.Tensor]:
        # AutoGraph could convert the loop in `eagerly`, but would trace a step twice.
        _, parts = tf.while_loop(
            lambda taken, _: taken < count,
            lambda taken, _: (taken + 1, one(iterator)),
            (tf.constant(1, tf.int64), one(iterator)),
        )
        return parts

    return one if int(count.numpy()) == 1 else _graph(several)


def make_one(gan: GAN, turn: Turn) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Builds a function of an iterator that runs one step of a fixed phase.

    Args:
      gan: compiled system.
      turn: phase of the step, independent of the step number.
    """
    take = _take(gan, turn)

    def call(iterator: Iterator) -> dict[str, tf.Tensor]:
        return _with_next(iterator, take)

    return _graph(call)


def _graph(call: Callable) -> Callable:
    # A step needs no AutoGraph. TensorFlow 2.15's AutoGraph does not exclude tf_keras and would
    # convert all of tf_keras, which makes tracing two to three times as long.
    return tf.function(call, autograph=False, reduce_retracing=True)


def _take(gan: GAN, turn: Turn) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Builds a function of a batch that runs one step of a phase on all replicas; returns logs."""
    run = gan.train_step
    if gan.jit_compile:
        run = tf.function(run, autograph=False, jit_compile=True, reduce_retracing=True)
    strategy = gan.distribute_strategy

    def take(batch: Any) -> dict[str, tf.Tensor]:
        with gan.taking(turn):
            parts = strategy.run(run, args=(batch,))
        # All replicas return the same logs: means over the replicas.
        return {name: strategy.experimental_local_results(it)[0] for name, it in parts.items()}

    return take


def _with_next(
    iterator: Iterator, take: Callable[[Any], dict[str, tf.Tensor]]
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
        return {**take(batch), INPUT_SECONDS: waited}
