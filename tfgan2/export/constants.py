"""Generators whose weights are constants of their graph.

What can be computed of constants alone (sums of weights, batch normalizations folded into
convolutions, the layout that a convolution wants its weights in) is computed once, and not in every
call.
"""

import functools

import tensorflow as tf
import tf_keras as keras
from tensorflow.python.framework import convert_to_constants

from tfgan2.adversarial.sampler import AnySampler, Sampler, UnconditionalSampler


class ConstantGenerator(tf.Module):
    """Draws what a generator draws as it is now."""

    def __init__(self, generator: keras.Model, *sizes: int) -> None:
        """Takes the weights.

        Args:
          generator: from vectors float32 [B, size], one for each of `sizes`, to images.
          sizes: of a latent, and of a sentence if it is given one.
        """
        super().__init__(name="generator")
        draw = tf.function(functools.partial(generator, training=False), autograph=False)
        drawn = draw.get_concrete_function(*(tf.TensorSpec([None, size]) for size in sizes))
        self._shape = drawn.structured_outputs.shape
        self._draw = convert_to_constants.convert_variables_to_constants_v2(drawn)

    def __call__(self, *vectors: tf.Tensor) -> tf.Tensor:
        """Draws images float32 [B, S, S, C]."""
        (image,) = self._draw(*vectors)
        return tf.ensure_shape(image, self._shape)


def with_constants(sampler: AnySampler) -> AnySampler:
    """A sampler with the generator's weights as constants; one that also writes stays as it is."""
    if isinstance(sampler, UnconditionalSampler):
        return UnconditionalSampler(
            generator=ConstantGenerator(sampler.generator, sampler.latent_size),
            latent_size=sampler.latent_size,
            truncation=sampler.truncation,
            darkest=sampler.darkest,
        )
    if isinstance(sampler, Sampler):
        return Sampler(
            tokenizer=sampler.tokenizer,
            text_encoder=sampler.text_encoder,
            generator=ConstantGenerator(
                sampler.generator, sampler.latent_size, sampler.sentence_size
            ),
            latent_size=sampler.latent_size,
            truncation=sampler.truncation,
        )
    return sampler
