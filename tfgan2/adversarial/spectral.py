"""Layers divided by their largest singular value, which bounds how steep a discriminator is.

Source: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
algorithm 1, which multiplies by the transposes of the matrices here.
"""

import numpy as np
import tensorflow as tf
import tf_keras as keras

FIRST_ITERATIONS = 100


class _Spectral(keras.layers.Layer):
    """What the layers share: a kernel, a bias and the normalization.

    keras.layers.SpectralNormalization overwrites the kernel in the call, where an optimizer and a
    gradient through the division need the kernel as it is.
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
        """Makes the weights, now that the channels of the input are known."""
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
            # As in batch normalization: a replica moves its own, here to where all others move.
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        super().build(input_shape)

    @property
    def statistics(self) -> list[tf.Variable]:
        """What moves in training without being trained; there once the layer is built."""
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
    """A `same` convolution whose kernel is divided by its largest singular value.

    Args:
      channels: of what goes out.
      size: side of the window.
      dtype: policy; the singular value is estimated in float32 under any.
      use_bias: whether a bias, which is not divided, is added.

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
        """Turns [B, H, W, C] into [B, H, W, channels].

        Args:
          features: of any float type, cast to that of the policy.
          training: whether the estimate improves by this call's power iteration; None: no.
        """
        kernel = self._normalized_kernel(training=training)
        return self._biased(tf.nn.conv2d(features, kernel, strides=1, padding="SAME"))


class SpectralDense(_Spectral):
    """A dense layer whose kernel is divided by its largest singular value.

    Args:
      units: of what goes out.
      dtype: policy; the singular value is estimated in float32 under any.
      use_bias: whether a bias, which is not divided, is added.

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
        """Turns [B, D] into [B, units].

        Args:
          features: of any float type, cast to that of the policy.
          training: whether the estimate improves by this call's power iteration; None: no.
        """
        return self._biased(tf.matmul(features, self._normalized_kernel(training=training)))


class _Divided(keras.layers.Layer):
    """What layers of Keras become by `divide`.

    Unlike the layers above, whose estimate improves with every call in training, these wait to be
    told, so that no network has to hand down whether it trains.
    """

    @property
    def statistics(self) -> list[tf.Variable]:
        """What moves in training without being trained."""
        return [self.direction]

    def begin(self) -> None:
        """Estimates the direction of the first kernel's largest singular value."""
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
        """Improves the estimate by a power iteration."""
        self.direction.assign(_directions(self._matrix(), self.direction)[1])

    def divided_kernel(self) -> tf.Tensor:
        """The kernel over its largest singular value."""
        matrix = self._matrix()
        left, right = _directions(matrix, self.direction)
        largest = tf.reduce_sum(left * tf.linalg.matvec(matrix, right))
        return tf.cast(tf.cast(self.kernel, tf.float32) / largest, self.compute_dtype)

    def _matrix(self) -> tf.Tensor:
        return tf.reshape(tf.cast(self.kernel, tf.float32), [-1, self.kernel.shape[-1]])


class _DividedConvolution(_Divided, keras.layers.Conv2D):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """As of a convolution."""
        features = self.convolution_op(inputs, self.divided_kernel())
        return self.activation(features if self.bias is None else features + self.bias)


class _DividedDense(_Divided, keras.layers.Dense):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """As of a dense layer, of [B, D]."""
        features = tf.matmul(tf.cast(inputs, self.compute_dtype), self.divided_kernel())
        return self.activation(features if self.bias is None else features + self.bias)


# What has statistics that move.
LAYERS = (_Spectral, _Divided)


def divide(*networks: keras.Model) -> None:
    """Divides every kernel of convolutions and dense layers by its largest singular value.

    The layers stay the objects that they are, with the weights that they have, and their class
    changes: Keras has nothing between a layer's kernel and its use where one could step in.

    Args:
      networks: built, of float32 [B, H, W, C] and [B, D].
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
    """One power iteration, through which nothing is learned."""
    fixed = tf.stop_gradient(matrix)
    left = tf.math.l2_normalize(tf.linalg.matvec(fixed, right))
    return left, tf.math.l2_normalize(tf.linalg.matvec(fixed, left, transpose_a=True))
