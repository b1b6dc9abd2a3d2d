"""Differentiable augmentation of what the discriminator sees, real or generated."""

import tensorflow as tf

from tfgan2.adversarial.noise import StepNoise


def translate(images: tf.Tensor, noise: StepNoise, *, name: str, max_shift_px: int) -> tf.Tensor:
    """Moves every image by a whole number of pixels of its own, and fills with its border colour.

    Args:
      images: [B, S, S, C].
      noise: of this step.
      name: of the draw.
      max_shift_px: the shift is uniform in -max_shift_px..max_shift_px, in each direction.

    Returns:
      Like `images`.

    Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training",
      section 3.2 (translation), which fills with zeros.
    """
    size = images.shape[1]
    shift = tf.floor(noise.uniform(name, 2) * (2 * max_shift_px + 1)) - max_shift_px
    # A one-hot matrix a row and axis: a matrix product, whose gradients are matrix products too.
    source = tf.range(size, dtype=tf.float32)[tf.newaxis, :] + shift[:, :, tf.newaxis]
    source = tf.cast(tf.clip_by_value(source, 0.0, size - 1.0), tf.int32)
    rows = tf.one_hot(source[:, 0], size, dtype=images.dtype)
    columns = tf.one_hot(source[:, 1], size, dtype=images.dtype)
    return tf.einsum("bik,bkwc,bjw->bijc", rows, images, columns)
