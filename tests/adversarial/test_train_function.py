"""Order of the ops within one call of the train function."""

import pytest
import tensorflow as tf

from tests.models import systems
from tests.tiny import TINY

GENERATES = ("MatMul", "Conv2D", "FusedBatchNormV3", "StatelessRandomNormalV2")


@pytest.mark.parametrize("steps_in_a_call", [1, 2])
def test_no_op_runs_before_the_batch_has_arrived(steps_in_a_call: int) -> None:
    """Otherwise the time of early ops counts as input wait."""
    recipe = TINY["auto_write"]
    gan = systems.make(recipe)
    gan.compile(optimizers=gan.optimizers, steps_per_execution=steps_in_a_call)
    batches = tf.data.Dataset.from_tensors(systems.some_batch(recipe)).repeat()
    graph = gan.make_train_function().get_concrete_function(iter(batches)).graph
    if steps_in_a_call > 1:
        (loop,) = (op for op in graph.get_operations() if op.type in ("While", "StatelessWhile"))
        body = loop.graph._get_function(loop.get_attr("body").name).graph
        (step,) = (op for op in body.get_operations() if op.type == "StatefulPartitionedCall")
        graph = body._get_function(step.get_attr("f").name).graph
    (arrival,) = (op for op in graph.get_operations() if op.type == "IteratorGetNext")
    (measured,) = (op for op in behind(arrival) if op.type == "Timestamp")
    computing = {op for op in graph.get_operations() if op.type in GENERATES}
    assert computing
    assert computing <= behind(measured)


def behind(op: tf.Operation) -> set[tf.Operation]:
    """All ops that run only after the given op."""
    found, left = set(), [op]
    while left:
        at = left.pop()
        later = {user for it in at.outputs for user in it.consumers()} | set(at._control_outputs)
        left.extend(later - found)
        found |= later
    return found
