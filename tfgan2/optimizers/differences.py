"""Common access to optimizers: Keras's class, and the legacy class of TensorFlow Addons."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

LAZY = "LazyAdam"
AVERAGE = "average"  # Slot name of the averaged weights in wrappers of TensorFlow Addons.


def build(optimizer: keras.optimizers.Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Creates the state of an optimizer before the first step."""
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        optimizer._create_all_weights(variables)
    else:
        optimizer.build(variables)


def state_of(optimizer: keras.optimizers.Optimizer) -> list[tf.Variable]:
    """All variables that an optimizer owns, including those of a wrapped optimizer."""
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        return optimizer.weights
    return optimizer.variables


def accepted_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor | tf.IndexedSlices]
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Converts gradients to a type that an optimizer accepts.

    In TensorFlow Addons, COCOB does not support sparse gradients, and wrappers cannot pass them to
    SGD. Dense gradients give the same update. LazyAdam is the exception: it needs sparse ones.
    """
    is_older = isinstance(optimizer, keras.optimizers.legacy.Optimizer)
    if not is_older or type(_innermost(optimizer)).__name__ == LAZY:
        return list(gradients)
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def average_kept_by(
    optimizer: keras.optimizers.Optimizer, variable: tf.Variable
) -> tf.Variable | None:
    """The averaged copy of a variable that an optimizer keeps; None if there is no such copy."""
    if not isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        return None
    if AVERAGE not in optimizer.get_slot_names():
        return None
    return optimizer.get_slot(variable, AVERAGE)


def _innermost(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer inside loss scaling and other wrappers."""
    while hasattr(optimizer, "_optimizer"):
        optimizer = optimizer._optimizer
    return optimizer
