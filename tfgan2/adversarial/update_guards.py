"""Variables and gradients on replicas: moving statistics, undo, overflow, gradient norm."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import spectral


def equal_on_replicas(value: float, *, name: str, dtype: tf.DType = tf.float32) -> tf.Variable:
    """Creates a variable, not trained, that all replicas update to the same value."""
    first = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(value, trainable=False, name=name, dtype=dtype, aggregation=first)


def moving_statistics(network: keras.Model) -> list[tf.Variable]:
    """Moving statistics of a network: batch normalization and spectral normalization."""
    statistics: list[tf.Variable] = []
    for layer in network.submodules:
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            statistics += [layer.moving_mean, layer.moving_variance]
        elif isinstance(layer, spectral.SpectralLayer) and layer.trainable:
            statistics += layer.statistics
    return statistics


def normalizes_batches(network: keras.Model) -> bool:
    """Whether trained layers use batch normalization."""
    kind = keras.layers.BatchNormalization
    return any(isinstance(layer, kind) and layer.trainable for layer in network.submodules)


def undo_unless(active: tf.Tensor, state: list[tf.Variable], before: list[tf.Tensor]) -> None:
    """Restores the earlier values of variables if `active` is false; call in replica context."""

    def undo(variable: tf.Variable, active: tf.Tensor, value: tf.Tensor) -> tf.Operation:
        return variable.assign(tf.where(active, variable, value))

    def undo_all(strategy: tf.distribute.Strategy, active: Any, before: list[tf.Tensor]) -> None:
        for variable, value in zip(state, before, strict=True):
            strategy.extended.update(variable, undo, args=(active, value), group=True)

    tf.distribute.get_replica_context().merge_call(undo_all, args=(active, before))


def overflows(gradients: list[tf.Tensor]) -> tf.Tensor:
    """1 if any gradient on any replica is not finite, else 0: int64 scalar."""
    finite = [tf.reduce_all(tf.math.is_finite(_values(gradient))) for gradient in gradients]
    here = tf.cast(tf.logical_not(tf.reduce_all(finite)), tf.int64)
    context = tf.distribute.get_replica_context()
    return tf.minimum(context.all_reduce(tf.distribute.ReduceOp.SUM, here), 1)


def gradient_norm(gradients: list[tf.Tensor], overflow: tf.Tensor) -> tf.Tensor:
    """Global L2 norm of all gradients; 0 if an overflow skips the update: float32 scalar.

    With several replicas: norm of this replica's gradients, times the number of replicas.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    norm = tf.linalg.global_norm(gradients) * replicas
    return tf.where(overflow == 0, norm, 0.0)


def _values(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
