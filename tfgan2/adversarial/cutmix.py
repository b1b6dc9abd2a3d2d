"""CutMix for a discriminator with pixel logits: one image mixes real and generated pixels.

Source: Schoenfeld et al. 2020, "A U-Net Based Discriminator for Generative Adversarial Networks",
section 3.2.
"""

import tensorflow as tf

from tfgan2.adversarial.noise import StepNoise


def masks(noise: StepNoise, *, name: str, image_size: int) -> tf.Tensor:
    """Draws a mask of real pixels for every row: a box, or all pixels outside the box.

    With lambda uniform in [0, 1), the side of the box is sqrt(1 - lambda) times the image side. Its
    centre is uniform in the image, which clips the box. The box is real with probability 1/2.

    Args:
      noise: noise of this step.
      name: name of the draw.
      image_size: image side S in px.

    Returns:
      float32 [B, S, S, 1]: 1 where real, 0 where fake.

    Source: Schoenfeld et al. 2020, section 3.2; box: Yun et al. 2019, "CutMix", section 3.1.
    """
    draws = noise.uniform(name, 4)[:, :, tf.newaxis]
    half_side = tf.sqrt(1.0 - draws[:, 0]) / 2.0
    positions = (tf.range(image_size, dtype=tf.float32) + 0.5) / image_size
    rows = tf.abs(positions - draws[:, 1]) < half_side
    columns = tf.abs(positions - draws[:, 2]) < half_side
    box = tf.logical_and(rows[:, :, tf.newaxis], columns[:, tf.newaxis, :])
    box_is_real = draws[:, 3, :, tf.newaxis] < 0.5
    return tf.cast(tf.equal(box, box_is_real), tf.float32)[..., tf.newaxis]


def mix(real: tf.Tensor, fake: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mixes real and generated images by a mask.

    Args:
      real: float32 [B, S, S, C], or pixel logits.
      fake: like `real`.
      mask: float32 [B, S, S, 1], 1 where real, 0 where fake.

    Returns:
      Images like `real`.

    Source: Schoenfeld et al. 2020, section 3.2.
    """
    return mask * real + (1.0 - mask) * fake


def cutmix_loss(global_logit: tf.Tensor, pixel_logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Discriminator loss at mixed images: pixel labels follow the mask, the image label is fake.

    Args:
      global_logit: float32 [B].
      pixel_logits: float32 [B, S, S].
      mask: float32 [B, S, S, 1], 1 where real, 0 where fake.

    Returns:
      float32 scalar: half the mean cross entropy of the pixel logits plus half the mean cross
      entropy of the global logits. The published code does not halve these two terms, but halves
      the terms of images that are not mixed.

    Source: Schoenfeld et al. 2020, section 3.2.
    """
    of_pixels = tf.nn.sigmoid_cross_entropy_with_logits(mask[..., 0], pixel_logits)
    return (tf.reduce_mean(of_pixels) + tf.reduce_mean(tf.nn.softplus(global_logit))) / 2.0


def consistency(
    mixed_pixels: tf.Tensor, real_pixels: tf.Tensor, fake_pixels: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """Consistency loss: logits of the mixed image against the mix of both images' logits.

    Args:
      mixed_pixels: pixel logits of the mixed images; float32 [B, S, S].
      real_pixels: pixel logits of the real images; like `mixed_pixels`.
      fake_pixels: pixel logits of the generated images; like `mixed_pixels`.
      mask: float32 [B, S, S, 1], 1 where real, 0 where fake.

    Returns:
      float32 scalar: mean squared difference.

    Source: Schoenfeld et al. 2020, section 3.2.
    """
    expected = mix(real_pixels, fake_pixels, mask[..., 0])
    return tf.reduce_mean(tf.math.squared_difference(mixed_pixels, expected))
