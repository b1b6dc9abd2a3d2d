"""Spectrally normalized layers, which bound the Lipschitz constant of a discriminator.

Source: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
algorithm 1, with a kernel as a matrix [..., channels out], the transpose of the paper's matrix.
keras.layers.SpectralNormalization overwrites the kernel in `call`. Here the variable keeps the
unnormalized kernel, which the optimizer and the gradient through the division need.
"""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

FIRST_ITERATIONS = 100


class SpectralLayer(keras.layers.Layer):
    """Base of the layers: divides the kernel, not the bias, by the kernel's largest singular value.

    The layers have the arguments of Keras's layers, and orthogonal initial kernels. The singular
    value is estimated in float32.

    Attributes:
      iterates_in_call: whether every call in training runs a power iteration; if not, only
        `iterate` does, and networks need not pass `training` to the layer.
      direction: estimate of the right singular vector, float32 [channels out].
    """

    iterates_in_call = True

    def __init__(self, *sizes: Any, kernel_initializer: Any = "orthogonal", **options: Any) -> None:
        super().__init__(*sizes, kernel_initializer=kernel_initializer, **options)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the weights for the channels of the input."""
        super().build(input_shape)
        self.add_direction(keras.initializers.RandomNormal())

    @property
    def statistics(self) -> list[tf.Variable]:
        """Moving statistics, which no optimizer updates; available once the layer is built."""
        return [self.direction]

    def iterate(self) -> None:
        """Runs one power iteration and stores the result."""
        self.direction.assign(_power_iteration(self._matrix(), self.direction)[1])

    def normalized_kernel(self, *, training: bool | None) -> tf.Tensor:
        """The kernel divided by its largest singular value, in the compute dtype."""
        matrix = self._matrix()
        left, right = _power_iteration(matrix, self.direction)
        if training and self.iterates_in_call and self.trainable:
            self.direction.assign(right)
        largest = tf.reduce_sum(left * tf.linalg.matvec(matrix, right))
        return tf.cast(tf.cast(self.kernel, tf.float32) / largest, self.compute_dtype)

    def add_weight(self, name: str | None = None, **options: Any) -> tf.Variable:
        """Creates a weight; half precision is too coarse for the singular value of a kernel."""
        if name == "kernel":
            options["experimental_autocast"] = False
        return super().add_weight(name=name, **options)

    def add_direction(self, initializer: keras.initializers.Initializer) -> None:
        """Creates the estimate of the right singular vector."""
        self.direction = self.add_weight(
            name="moving_direction",
            shape=(self.kernel.shape[-1],),
            initializer=initializer,
            dtype=tf.float32,
            experimental_autocast=False,
            trainable=False,
            # As in batch normalization: each replica updates its copy; here all copies are equal.
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )

    def _matrix(self) -> tf.Tensor:
        return tf.reshape(tf.cast(self.kernel, tf.float32), [-1, self.kernel.shape[-1]])


class SpectralConvolution(SpectralLayer, keras.layers.Conv2D):
    """A spectrally normalized convolution."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, H, W, C] to [B, H, W, channels]."""
        features = self.convolution_op(inputs, self.normalized_kernel(training=training))
        return self.activation(features if self.bias is None else features + self.bias)


class SpectralDense(SpectralLayer, keras.layers.Dense):
    """A spectrally normalized dense layer."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, D] to [B, units]."""
        inputs = tf.cast(inputs, self.compute_dtype)
        features = tf.matmul(inputs, self.normalized_kernel(training=training))
        return self.activation(features if self.bias is None else features + self.bias)


def normalize(*networks: keras.Model) -> None:
    """Adds spectral normalization to all convolutions and dense layers of networks.

    The layer objects and their weights stay the same, but their class changes: Keras has no hook
    between a layer's kernel and its use. Their power iterations run in `iterate`.

    Args:
      networks: built networks; convolutions have inputs [B, H, W, C], dense layers [B, D].
    """
    classes = {keras.layers.Conv2D: SpectralConvolution, keras.layers.Dense: SpectralDense}
    for network in networks:
        for layer in network.submodules:
            if type(layer) in classes and layer.trainable:
                layer.__class__ = classes[type(layer)]
                layer.iterates_in_call = False
                layer.add_direction(keras.initializers.Constant(_right_singular_vector(layer)))


def iterate(network: keras.Model) -> None:
    """Runs one power iteration of the trained layers that do not iterate in their calls."""
    for layer in network.submodules:
        own = isinstance(layer, SpectralLayer) and not layer.iterates_in_call
        if own and layer.trainable:
            layer.iterate()


def _right_singular_vector(layer: keras.layers.Layer) -> np.ndarray:
    """Estimates the right singular vector of a kernel with 100 power iterations."""
    kernel = np.asarray(tf.cast(layer.kernel, tf.float32))
    matrix = kernel.reshape([-1, kernel.shape[-1]])
    right: np.ndarray = np.random.default_rng(0).normal(size=[matrix.shape[1]])
    for _ in range(FIRST_ITERATIONS):
        right = matrix.T @ (matrix @ right)
        right /= np.linalg.norm(right)
    return right


def _power_iteration(matrix: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One power iteration without gradients: left and right singular vector."""
    fixed = tf.stop_gradient(matrix)
    left = tf.math.l2_normalize(tf.linalg.matvec(fixed, right))
    return left, tf.math.l2_normalize(tf.linalg.matvec(fixed, left, transpose_a=True))
