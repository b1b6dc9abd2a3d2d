"""The one resize in front of other people's networks."""

import tensorflow as tf


def resized(images: tf.Tensor, size_px: tuple[int, int]) -> tf.Tensor:
    """Resizes images with an antialiased bicubic filter, and does not round.

    It is Pillow's filter on floats, which clean-fid takes: a filter that does not widen when it
    shrinks an image changes FID by more than papers differ.

    Args:
      images: float32 [B, H, W, C] from 0 to 255.
      size_px: height and width.

    Returns:
      float32 [B, height, width, C] from 0 to 255.

    Source: Parmar, Zhang and Zhu 2022, "On Aliased Resizing and Surprising Subtleties in GAN
      Evaluation", section 3.
    """
    if tuple(images.shape[1:3]) == size_px:
        return images
    return tf.clip_by_value(tf.image.resize(images, size_px, "bicubic", antialias=True), 0.0, 255.0)
