"""Differentiable augmentation (DiffAugment) of real and generated images.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training",
section 3.2. The paper uses all three operations in this order, with shifts of up to 1/8 of the
image side and boxes of 1/2 of the side; its shifts fill with zeros.
"""

import dataclasses

import tensorflow as tf

from tfgan2.adversarial.noise import StepNoise


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The enabled operations.

    Attributes:
      color: changes brightness, saturation and contrast of every image.
      translation_px: largest shift of an image in px; 0: off.
      cutout: side of the square that is cut out, as a fraction of the image side; 0: off.
    """

    color: bool = False
    translation_px: int = 0
    cutout: float = 0.0

    @property
    def any(self) -> bool:
        """Whether an operation is enabled."""
        return self.color or self.translation_px > 0 or self.cutout > 0.0

    def __call__(
        self,
        images: tf.Tensor,
        noise: StepNoise,
        *,
        name: str,
        probability: tf.Tensor | float,
        lowest_value: float = -1.0,
        every: int = 1,
    ) -> tf.Tensor:
        """Applies the operations to every image, with separate random draws per image.

        Args:
          images: float32 [B, S, S, C] in [lowest_value, 1].
          noise: noise of this step.
          name: name of the draws; equal names give equal draws.
          probability: probability of each operation for each image, in [0, 1].
          lowest_value: lower end of the value range: -1 or 0.
          every: row stride; the images use every `every`-th row of the noise.

        Returns:
          Images like `images`; colours may leave the value range.
        """

        def chosen(operation: str, changed: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
            if isinstance(probability, float) and probability == 1.0:
                return changed
            draws = noise.uniform(f"{name}_{operation}_chosen", 1)[::every]
            return tf.where(draws[:, :, tf.newaxis, tf.newaxis] < probability, changed, images)

        if self.color:
            draws = noise.uniform(f"{name}_color", 3)[::every]
            images = chosen("color", recolor(images, draws, lowest_value=lowest_value), images)
        if self.translation_px:
            draws = noise.uniform(name, 2)[::every]
            shifted = translate(images, draws, max_shift_px=self.translation_px)
            images = chosen("translation", shifted, images)
        if self.cutout:
            draws = noise.uniform(f"{name}_cutout", 2)[::every]
            cut = cut_out(images, draws, fraction=self.cutout, grey=(1.0 + lowest_value) / 2.0)
            images = chosen("cutout", cut, images)
        return images


def recolor(images: tf.Tensor, draws: tf.Tensor, *, lowest_value: float = -1.0) -> tf.Tensor:
    """Changes brightness, then saturation, then contrast.

    Args:
      images: float32 [B, S, S, C] in [lowest_value, 1].
      draws: float32 [B, 3] in [0, 1): brightness changes by -1/4 to 1/4 of the value range,
        saturation is multiplied by 0 to 2, contrast by 1/2 to 3/2.
      lowest_value: lower end of the value range: -1 or 0.

    Returns:
      Images like `images`.
    """
    brightness, saturation, contrast = tf.unstack(draws[:, :, tf.newaxis, tf.newaxis], axis=1)
    images += (brightness[..., tf.newaxis] - 0.5) * (1.0 - lowest_value) / 2.0
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = (images - grey) * (2.0 * saturation[..., tf.newaxis]) + grey
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return (images - mean) * (contrast[..., tf.newaxis] + 0.5) + mean


def translate(images: tf.Tensor, draws: tf.Tensor, *, max_shift_px: int) -> tf.Tensor:
    """Shifts every image by a random whole number of pixels, and repeats its border pixels.

    Args:
      images: float [B, S, S, C].
      draws: float32 [B, 2] in [0, 1): vertical and horizontal shift.
      max_shift_px: largest shift in px; shifts are uniform in -max_shift_px..max_shift_px.

    Returns:
      Images like `images`.
    """
    size = images.shape[1]
    shift = tf.floor(draws * (2 * max_shift_px + 1)) - max_shift_px
    # One one-hot matrix per image and axis: matrix products, whose gradients are also products.
    source = tf.range(size, dtype=tf.float32)[tf.newaxis, :] + shift[:, :, tf.newaxis]
    source = tf.cast(tf.clip_by_value(source, 0.0, size - 1.0), tf.int32)
    rows = tf.one_hot(source[:, 0], size, dtype=images.dtype)
    columns = tf.one_hot(source[:, 1], size, dtype=images.dtype)
    return tf.einsum("bik,bkwc,bjw->bijc", rows, images, columns)


def cut_out(images: tf.Tensor, draws: tf.Tensor, *, fraction: float, grey: float) -> tf.Tensor:
    """Covers a square of every image; its centre is uniform in the image, which clips the square.

    Args:
      images: float32 [B, S, S, C].
      draws: float32 [B, 2] in [0, 1): vertical and horizontal position.
      fraction: side of the square, relative to the image side.
      grey: value of the covered pixels.

    Returns:
      Images like `images`.
    """
    size = images.shape[1]
    side = int(size * fraction + 0.5)
    first = tf.floor(draws * (size + 1 - side % 2)) - side // 2
    positions = tf.range(size, dtype=tf.float32) - first[:, :, tf.newaxis]
    covered = tf.logical_and(positions >= 0.0, positions < side)
    box = tf.logical_and(covered[:, 0, :, tf.newaxis], covered[:, 1, tf.newaxis, :])
    return tf.where(box[..., tf.newaxis], grey, images)
