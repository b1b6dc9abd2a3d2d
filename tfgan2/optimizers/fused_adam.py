"""Adam with one kernel per variable; Keras runs ten, and each reads and writes the variable."""

from typing import Any

import tensorflow as tf
import tf_keras as keras


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, with the same arguments, state and updates.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1, with both
    bias corrections as one factor of the learning rate (section 2, last paragraph), as in Keras.
    Epsilon is therefore added to the root before its bias correction.
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable; Keras calls this method for every variable."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        kind, index = variable.dtype, self._index_dict[self._var_key(variable)]
        beta1, beta2 = tf.cast(self.beta_1, kind), tf.cast(self.beta_2, kind)
        step = tf.cast(self.iterations + 1, kind)
        beta2_power = tf.pow(beta2, step)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta1, step),
            beta2_power=beta2_power,
            lr=tf.cast(self.learning_rate, kind),
            beta1=beta1,
            beta2=beta2,
            epsilon=self.epsilon_at(tf.cast(self.epsilon, kind), beta2_power),
            grad=gradient,
        )

    def epsilon_at(self, epsilon: tf.Tensor, beta2_power: tf.Tensor) -> tf.Tensor:
        """Epsilon beside the uncorrected root, at a step with this power of beta2."""
        return epsilon


class PyTorchAdam(FusedAdam):
    """Adam with epsilon beside the corrected root: algorithm 1 of the paper, and PyTorch's Adam.

    Epsilon is felt more than in Keras's Adam while beta2 ** step is not small: with beta2 = 0.9
    for about 20 steps, if roots of second moments are near epsilon.
    """

    def __init__(
        self, learning_rate: Any, beta_1: float, beta_2: float, epsilon: float, **kwargs: Any
    ) -> None:
        """Stores the settings, without Keras's amsgrad and weight_decay, which differ too."""
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable; rows without gradient move too, as in Keras."""
        super().update_step(tf.convert_to_tensor(gradient), variable)

    def epsilon_at(self, epsilon: tf.Tensor, beta2_power: tf.Tensor) -> tf.Tensor:
        """Epsilon times the bias correction, by which the kernel divides root and epsilon."""
        return epsilon * tf.sqrt(1.0 - beta2_power)
