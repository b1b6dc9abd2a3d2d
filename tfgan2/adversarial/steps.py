"""What `fit` calls: steps in a graph, each with what is its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfgan2.adversarial.remedies import Turn

if TYPE_CHECKING:
    from tfgan2.adversarial.gan import GAN

INPUT_SECONDS = "input_seconds"


def make_function(gan: GAN, *, count: tf.Variable) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Makes a function of an iterator of batches that takes steps, to the parts of the last one.

    Which turn a step is, is decided outside of `strategy.run`: what a step leaves out is a graph
    that does not run. In a graph, parts of what it leaves out are 0. One part is not the game's:
    `input_seconds`, for which the step waited for its batch.

    Args:
      gan: compiled.
      count: of steps in a call, int64 scalar; a graph for one step has no loop.
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
                names.extend(() if names else parts)  # The first turn has everything.
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
        # AutoGraph would make the loop above this one, but trace a step twice for it.
        _, parts = tf.while_loop(
            lambda taken, _: taken < count,
            lambda taken, _: (taken + 1, one(iterator)),
            (tf.constant(1, tf.int64), one(iterator)),
        )
        return parts

    return one if int(count.numpy()) == 1 else _graph(several)


def make_one(gan: GAN, turn: Turn) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Makes a function of an iterator that takes one step of one turn, whatever its number is.

    Args:
      gan: compiled.
      turn: of the step.
    """
    take = _take(gan, turn)

    def call(iterator: Iterator) -> dict[str, tf.Tensor]:
        return _with_next(iterator, take)

    return _graph(call)


def _graph(call: Callable) -> Callable:
    # AutoGraph has nothing to do in a step, and the one of TensorFlow 2.15, which does not know
    # tf_keras, would convert all of it, which takes two to three times as long.
    return tf.function(call, autograph=False, reduce_retracing=True)


def _take(gan: GAN, turn: Turn) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Makes what all replicas do in a step of a turn, from a batch to the parts of one of them."""
    run = gan.train_step
    if gan.jit_compile:
        run = tf.function(run, autograph=False, jit_compile=True, reduce_retracing=True)
    strategy = gan.distribute_strategy

    def take(batch: Any) -> dict[str, tf.Tensor]:
        with gan.taking(turn):
            parts = strategy.run(run, args=(batch,))
        # All replicas have the same, which is the mean.
        return {name: strategy.experimental_local_results(it)[0] for name, it in parts.items()}

    return take


def _with_next(
    iterator: Iterator, take: Callable[[Any], dict[str, tf.Tensor]]
) -> dict[str, tf.Tensor]:
    """Takes a step with the next batch, and adds for how many seconds it was waited for.

    What does not need the batch must not begin before: it would be taken for waiting.
    """
    began = tf.timestamp()
    with tf.control_dependencies([began]):
        batch = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
        waited = tf.cast(tf.timestamp() - began, tf.float32)
    with tf.control_dependencies([waited]):
        return {**take(batch), INPUT_SECONDS: waited}
