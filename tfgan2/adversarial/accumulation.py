"""Splits a batch into micro-batches, and adds their gradients."""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

from tfgan2.adversarial.noise import Part
from tfgan2.adversarial.updates import PART, Batch, Logs

Gradients: TypeAlias = list[tf.Tensor | tf.IndexedSlices]


def micro_batches(batch: Batch, count: int) -> list[Batch]:
    """Splits the rows of a batch into micro-batches of neighbouring rows.

    Args:
      batch: batch of this replica; `count` divides its rows.
      count: number of micro-batches.

    Returns:
      The micro-batches, each with its `Part`; for a count of 1 the batch itself.
    """
    if count == 1:
        return [batch]
    split = tf.nest.map_structure(lambda tensor: tf.split(tensor, count), batch)
    names = batch.keys()
    return [
        {**{name: _of_part(split[name], index) for name in names}, PART: Part(index, count)}
        for index in range(count)
    ]


def _of_part(split: dict | list, index: int) -> dict | tf.Tensor:
    if isinstance(split, dict):
        return {name: tensors[index] for name, tensors in split.items()}
    return split[index]


def tensors_of(gradients: Gradients) -> list[tf.Tensor]:
    """The tensors of gradients, for control dependencies."""
    return tf.nest.flatten(gradients, expand_composites=True)


def added(gradients: Gradients, others: Gradients) -> Gradients:
    """Sums of gradients of the same variables; sparse gradients stay sparse."""
    return [
        tf.IndexedSlices(
            tf.concat([one.values, other.values], axis=0),
            tf.concat([one.indices, other.indices], axis=0),
            one.dense_shape,
        )
        if isinstance(one, tf.IndexedSlices)
        else one + other
        for one, other in zip(gradients, others, strict=True)
    ]


def means(logs: Sequence[Logs]) -> Logs:
    """Means of the loss terms of micro-batches of equal size."""
    return {name: tf.add_n([it[name] for it in logs]) / len(logs) for name in logs[0]}
