"""Adam with one kernel per variable; Keras runs ten, and each reads and writes the variable."""

import tensorflow as tf
import tf_keras as keras


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, with the same arguments, state and updates.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1, with both
    bias corrections as one factor of the learning rate (section 2, last paragraph), as in Keras.
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable; Keras calls this method for every variable."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        kind, index = variable.dtype, self._index_dict[self._var_key(variable)]
        beta1, beta2 = tf.cast(self.beta_1, kind), tf.cast(self.beta_2, kind)
        step = tf.cast(self.iterations + 1, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta1, step),
            beta2_power=tf.pow(beta2, step),
            lr=tf.cast(self.learning_rate, kind),
            beta1=beta1,
            beta2=beta2,
            epsilon=tf.cast(self.epsilon, kind),
            grad=gradient,
        )
