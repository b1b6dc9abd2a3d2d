"""Freezes generators: their weights become constants of the graph.

TensorFlow then computes once, instead of in every call, what depends only on the weights: sums of
weights, batch normalization folded into convolutions, the weight layout of a convolution.
"""

import functools

import tensorflow as tf
import tf_keras as keras
from tensorflow.python.framework import convert_to_constants


class ConstantGenerator(tf.Module):
    """A generator with its present weights as constants."""

    def __init__(self, generator: keras.Model, *sizes: int) -> None:
        """Freezes the weights.

        Args:
          generator: maps vectors float32 [B, size], one per entry of `sizes`, to images.
          sizes: size of the latent, and of the sentence embedding if the generator reads one.
        """
        super().__init__(name="generator")
        function = tf.function(functools.partial(generator, training=False), autograph=False)
        concrete = function.get_concrete_function(*(tf.TensorSpec([None, size]) for size in sizes))
        self._shape = concrete.structured_outputs.shape
        self._draw = convert_to_constants.convert_variables_to_constants_v2(concrete)

    def __call__(self, *vectors: tf.Tensor) -> tf.Tensor:
        """Generates images float32 [B, S, S, C]."""
        (image,) = self._draw(*vectors)
        return tf.ensure_shape(image, self._shape)
