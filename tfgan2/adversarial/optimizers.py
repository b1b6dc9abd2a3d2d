"""What a game asks of optimizers: Keras's, and its older class, which TensorFlow Addons has."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

LAZY = "LazyAdam"
AVERAGE = "average"  # What wrappers of TensorFlow Addons call the weights that they average.


def build(optimizer: keras.optimizers.Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Makes an optimizer's state, before its first step."""
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        optimizer._create_all_weights(variables)
    else:
        optimizer.build(variables)


def state_of(optimizer: keras.optimizers.Optimizer) -> list[tf.Variable]:
    """All variables that an optimizer moves but the model's, those of one it wraps too."""
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        return optimizer.weights
    return optimizer.variables


def as_taken_by(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor | tf.IndexedSlices]
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Gradients as an optimizer can take them.

    Of TensorFlow Addons, COCOB takes no sparse ones, and wrappers fail to hand them on to an SGD;
    dense ones move the same rows, but for LazyAdam, which is made for sparse ones.
    """
    is_older = isinstance(optimizer, keras.optimizers.legacy.Optimizer)
    if not is_older or type(_innermost(optimizer)).__name__ == LAZY:
        return list(gradients)
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def average_kept_by(
    optimizer: keras.optimizers.Optimizer, variable: tf.Variable
) -> tf.Variable | None:
    """The average of a variable that an optimizer keeps; None if it keeps none."""
    if not isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        return None
    if AVERAGE not in optimizer.get_slot_names():
        return None
    return optimizer.get_slot(variable, AVERAGE)


def _innermost(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer itself, where others scale its losses or are put around it."""
    while hasattr(optimizer, "_optimizer"):
        optimizer = optimizer._optimizer
    return optimizer
