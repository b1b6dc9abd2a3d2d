"""CutMix: a discriminator that judges pixels sees real and generated ones in one image.

Source: Schoenfeld et al. 2020, "A U-Net Based Discriminator for Generative Adversarial Networks",
section 3.2.
"""

import tensorflow as tf

from tfgan2.adversarial.noise import StepNoise


def masks(noise: StepNoise, *, name: str, image_size: int) -> tf.Tensor:
    """Draws for every row which pixels are to be real: all but a box, or the box alone.

    With lambda uniform in [0, 1), the box has a side of sqrt(1 - lambda) times the image's and its
    centre anywhere in the image, whose border cuts it. Which of the two is real is even odds.

    Args:
      noise: of this step.
      name: of the draw.
      image_size: S, side in pixels.

    Returns:
      float32 [B, S, S, 1]: 1 where real, 0 where fake.

    Source: Schoenfeld et al. 2020, section 3.2; the box is that of Yun et al. 2019, "CutMix",
      section 3.1.
    """
    draws = noise.uniform(name, 4)[:, :, tf.newaxis]
    half_side = tf.sqrt(1.0 - draws[:, 0]) / 2.0
    places = (tf.range(image_size, dtype=tf.float32) + 0.5) / image_size
    rows = tf.abs(places - draws[:, 1]) < half_side
    columns = tf.abs(places - draws[:, 2]) < half_side
    box = tf.logical_and(rows[:, :, tf.newaxis], columns[:, tf.newaxis, :])
    box_is_real = draws[:, 3, :, tf.newaxis] < 0.5
    return tf.cast(tf.equal(box, box_is_real), tf.float32)[..., tf.newaxis]


def mix(real: tf.Tensor, fake: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Puts together the real pixels that a mask names and generated ones.

    Args:
      real: float32 [B, S, S, C].
      fake: like `real`.
      mask: float32 [B, S, S, 1], 1 where real, 0 where fake.

    Returns:
      Like `real`.

    Source: Schoenfeld et al. 2020, section 3.2.
    """
    return mask * real + (1.0 - mask) * fake


def cutmix_loss(global_logit: tf.Tensor, pixel_logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Loss of a discriminator at mixed images: each pixel is what it is, the whole is fake.

    Args:
      global_logit: float32 [B].
      pixel_logits: float32 [B, S, S].
      mask: float32 [B, S, S, 1], 1 where real, 0 where fake.

    Returns:
      float32 scalar: half the mean cross entropy of the pixels plus half that of the rows; the
      published code adds them up whole, but halves them at images that are not mixed.

    Source: Schoenfeld et al. 2020, section 3.2.
    """
    of_pixels = tf.nn.sigmoid_cross_entropy_with_logits(mask[..., 0], pixel_logits)
    return (tf.reduce_mean(of_pixels) + tf.reduce_mean(tf.nn.softplus(global_logit))) / 2.0


def consistency(
    mixed_pixels: tf.Tensor, real_pixels: tf.Tensor, fake_pixels: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """How far the judgement of a mix is from the mix of the judgements.

    Args:
      mixed_pixels: float32 [B, S, S], pixel logits of the mixed images.
      real_pixels: like `mixed_pixels`, of the real images.
      fake_pixels: like `mixed_pixels`, of the generated images.
      mask: float32 [B, S, S, 1], 1 where real, 0 where fake.

    Returns:
      float32 scalar: mean squared difference.

    Source: Schoenfeld et al. 2020, section 3.2.
    """
    expected = mix(real_pixels, fake_pixels, mask[..., 0])
    return tf.reduce_mean(tf.math.squared_difference(mixed_pixels, expected))
