"""Spectrally normalized layers, which bound the Lipschitz constant of a discriminator.

Source: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
algorithm 1; the matrices of the paper are the transposes of the matrices here.
"""

import numpy as np
import tensorflow as tf
import tf_keras as keras

FIRST_ITERATIONS = 100


class _Spectral(keras.layers.Layer):
    """Base of the layers: kernel, bias and spectral normalization.

    keras.layers.SpectralNormalization overwrites the kernel in `call`. Here the variable keeps the
    unnormalized kernel, which the optimizer and the gradient through the division need.
    """

    def __init__(
        self,
        channels: int,
        *,
        window: tuple[int, ...],
        use_bias: bool,
        dtype: keras.mixed_precision.Policy | str,
    ) -> None:
        super().__init__(dtype=dtype)
        self.channels, self.window, self.use_bias = channels, window, use_bias

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the weights for the channels of the input."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.window, input_shape[-1], self.channels),
            initializer=keras.initializers.Orthogonal(),
            # Half precision is too coarse for the singular value.
            dtype=tf.float32,
            experimental_autocast=False,
        )
        self.bias = (
            self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
            if self.use_bias
            else None
        )
        self.direction = self.add_weight(
            name="moving_direction",
            shape=(self.channels,),
            initializer=keras.initializers.RandomNormal(),
            dtype=tf.float32,
            experimental_autocast=False,
            trainable=False,
            # As in batch normalization: each replica updates its copy; here all copies are equal.
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        super().build(input_shape)

    @property
    def statistics(self) -> list[tf.Variable]:
        """Moving statistics, which no optimizer updates; available once the layer is built."""
        return [self.direction]

    def _normalized_kernel(self, *, training: bool | None) -> tf.Tensor:
        matrix = tf.reshape(self.kernel, [-1, self.channels])
        left, right = _directions(matrix, self.direction)
        if training:
            self.direction.assign(right)
        largest = tf.reduce_sum(left * tf.linalg.matvec(matrix, right))
        return tf.cast(self.kernel / largest, self.compute_dtype)

    def _biased(self, features: tf.Tensor) -> tf.Tensor:
        return features if self.bias is None else features + self.bias


class SpectralConvolution(_Spectral):
    """A spectrally normalized convolution with `same` padding and stride 1.

    Args:
      channels: channels of the output.
      size: side of the kernel window.
      dtype: dtype policy; the singular value is always estimated in float32.
      use_bias: whether to add a bias; the bias is not normalized.

    Source: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
      algorithm 1, with the kernel as a matrix [size * size * channels in, channels out].
    """

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        dtype: keras.mixed_precision.Policy | str,
        use_bias: bool = True,
    ) -> None:
        super().__init__(channels, window=(size, size), use_bias=use_bias, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, H, W, C] to [B, H, W, channels].

        Args:
          features: any float type; cast to the policy's dtype.
          training: whether to store the result of this call's power iteration; None: no.
        """
        kernel = self._normalized_kernel(training=training)
        return self._biased(tf.nn.conv2d(features, kernel, strides=1, padding="SAME"))


class SpectralDense(_Spectral):
    """A spectrally normalized dense layer.

    Args:
      units: units of the output.
      dtype: dtype policy; the singular value is always estimated in float32.
      use_bias: whether to add a bias; the bias is not normalized.

    Source: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
      algorithm 1.
    """

    def __init__(
        self,
        units: int,
        *,
        dtype: keras.mixed_precision.Policy | str,
        use_bias: bool = True,
    ) -> None:
        super().__init__(units, window=(), use_bias=use_bias, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, D] to [B, units].

        Args:
          features: any float type; cast to the policy's dtype.
          training: whether to store the result of this call's power iteration; None: no.
        """
        return self._biased(tf.matmul(features, self._normalized_kernel(training=training)))


class _Divided(keras.layers.Layer):
    """Class of a Keras layer after `divide`.

    The power iteration runs only in `iterate()`, so networks need not pass `training` to the layer.
    The layers above run a power iteration in every call in training.
    """

    @property
    def statistics(self) -> list[tf.Variable]:
        """Moving statistics, which no optimizer updates."""
        return [self.direction]

    def begin(self) -> None:
        """Estimates the right singular vector of the initial kernel with 100 power iterations."""
        matrix = self._matrix().numpy()
        right = np.random.default_rng(0).normal(size=matrix.shape[1])
        for _ in range(FIRST_ITERATIONS):
            right = matrix.T @ (matrix @ right)
            right /= np.linalg.norm(right)
        self.direction = self.add_weight(
            name="moving_direction",
            shape=right.shape,
            initializer=keras.initializers.Constant(right),
            dtype=tf.float32,
            experimental_autocast=False,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )

    def iterate(self) -> None:
        """Runs one power iteration and stores the result."""
        self.direction.assign(_directions(self._matrix(), self.direction)[1])

    def divided_kernel(self) -> tf.Tensor:
        """The kernel divided by its largest singular value."""
        matrix = self._matrix()
        left, right = _directions(matrix, self.direction)
        largest = tf.reduce_sum(left * tf.linalg.matvec(matrix, right))
        return tf.cast(tf.cast(self.kernel, tf.float32) / largest, self.compute_dtype)

    def _matrix(self) -> tf.Tensor:
        return tf.reshape(tf.cast(self.kernel, tf.float32), [-1, self.kernel.shape[-1]])


class _DividedConvolution(_Divided, keras.layers.Conv2D):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves with the normalized kernel."""
        features = self.convolution_op(inputs, self.divided_kernel())
        return self.activation(features if self.bias is None else features + self.bias)


class _DividedDense(_Divided, keras.layers.Dense):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Applies the normalized kernel to [B, D]."""
        features = tf.matmul(tf.cast(inputs, self.compute_dtype), self.divided_kernel())
        return self.activation(features if self.bias is None else features + self.bias)


# Layers with moving statistics.
LAYERS = (_Spectral, _Divided)


def divide(*networks: keras.Model) -> None:
    """Adds spectral normalization to all convolutions and dense layers.

    The layer objects and their weights stay the same, but their class changes: Keras has no hook
    between a layer's kernel and its use.

    Args:
      networks: built networks; convolutions have inputs [B, H, W, C], dense layers [B, D].
    """
    classes = {keras.layers.Conv2D: _DividedConvolution, keras.layers.Dense: _DividedDense}
    for network in networks:
        for layer in network.submodules:
            if type(layer) in classes and layer.trainable:
                layer.__class__ = classes[type(layer)]
                layer.begin()


def divided_layers(network: keras.Model) -> list[_Divided]:
    """The layers of a network that `divide` has changed."""
    return [layer for layer in network.submodules if isinstance(layer, _Divided)]


def _directions(matrix: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One power iteration without gradients: left and right singular vector."""
    fixed = tf.stop_gradient(matrix)
    left = tf.math.l2_normalize(tf.linalg.matvec(fixed, right))
    return left, tf.math.l2_normalize(tf.linalg.matvec(fixed, left, transpose_a=True))
