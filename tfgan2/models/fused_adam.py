"""Adam with one kernel for a variable, where Keras has ten that each read and write it."""

import tensorflow as tf
import tf_keras as keras


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam: the same arguments, state and updates.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1, with the
    two corrections as one factor of the rate (section 2, last paragraph), as Keras has it too.
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Moves a variable; Keras calls it for each."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        kind, place = variable.dtype, self._index_dict[self._var_key(variable)]
        beta1, beta2 = tf.cast(self.beta_1, kind), tf.cast(self.beta_2, kind)
        step = tf.cast(self.iterations + 1, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].handle,
            v=self._velocities[place].handle,
            beta1_power=tf.pow(beta1, step),
            beta2_power=tf.pow(beta2, step),
            lr=tf.cast(self.learning_rate, kind),
            beta1=beta1,
            beta2=beta2,
            epsilon=tf.cast(self.epsilon, kind),
            grad=gradient,
        )
