"""Resizes images for external networks; all of them use this function."""

import tensorflow as tf


def resized(images: tf.Tensor, size_px: tuple[int, int]) -> tf.Tensor:
    """Resizes images with an antialiased bicubic filter, without rounding.

    This is Pillow's filter on floats, as in clean-fid. A filter without antialiasing changes FID
    more than the differences between papers.

    Args:
      images: float32 [B, H, W, C] in [0, 255].
      size_px: height and width in pixels.

    Returns:
      float32 [B, height, width, C] in [0, 255].

    Source: Parmar, Zhang and Zhu 2022, "On Aliased Resizing and Surprising Subtleties in GAN
      Evaluation", section 3.
    """
    if tuple(images.shape[1:3]) == size_px:
        return images
    return tf.clip_by_value(tf.image.resize(images, size_px, "bicubic", antialias=True), 0.0, 255.0)
