"""What the players want, as functions of the discriminator's logits."""

import tensorflow as tf

# Keeps the mode-seeking ratio finite where two pictures are the same.
SMALLEST_DISTANCE = 1e-3


def hinge_discriminator(
    real: tf.Tensor, fake: tf.Tensor, mismatched: tf.Tensor, *, mismatch_weight: float
) -> tf.Tensor:
    """Hinge loss of a discriminator that also judges whether caption and image match.

    Args:
      real: float32 [B], logits of real images with their own captions.
      fake: float32 [B], logits of generated images.
      mismatched: float32 [B], logits of real images with captions of others.
      mismatch_weight: of the mismatched pairs, where generated ones have 1; published: 1.

    Returns:
      float32 scalar.

    Source: Tao et al. 2022, "DF-GAN", equation 3.
    """
    wrong = tf.nn.relu(1.0 + fake) + mismatch_weight * tf.nn.relu(1.0 + mismatched)
    right = tf.reduce_mean(tf.nn.relu(1.0 - real))
    return right + tf.reduce_mean(wrong) / (1.0 + mismatch_weight)


def hinge_generator(fake: tf.Tensor) -> tf.Tensor:
    """Loss of the generator against a hinge discriminator: minus the mean logit [B]."""
    return -tf.reduce_mean(fake)


def relativistic_discriminator(
    real: tf.Tensor, fake: tf.Tensor, mismatched: tf.Tensor, *, mismatch_weight: float
) -> tf.Tensor:
    """Pairwise loss: every real pair is to score above the fake and the mismatched pair of its row.

    Args:
      real: float32 [B], logits of real images with their own captions.
      fake: float32 [B], logits of generated images, with the captions of the same rows.
      mismatched: float32 [B], logits of real images with captions of others.
      mismatch_weight: of the mismatched pairs, where generated ones have 1; published: 1.

    Returns:
      float32 scalar.

    Source: Huang et al. 2024, "The GAN is dead; long live the GAN!", equation 2 (RpGAN).
    """
    wrong = tf.nn.softplus(fake - real) + mismatch_weight * tf.nn.softplus(mismatched - real)
    return tf.reduce_mean(wrong) / (1.0 + mismatch_weight)


def relativistic_generator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Loss of the generator in the pairwise game: its images are to score above the real ones."""
    return tf.reduce_mean(tf.nn.softplus(real - fake))


def mode_seeking(
    image: tf.Tensor, other_image: tf.Tensor, latent: tf.Tensor, other_latent: tf.Tensor
) -> tf.Tensor:
    """Keeps two pictures of one caption as far apart as their latents are.

    Args:
      image: float32 [B, S, S, C].
      other_image: like `image`, of the same captions.
      latent: float32 [B, D], from which `image` was drawn.
      other_latent: like `latent`, of `other_image`.

    Returns:
      float32 scalar: mean over rows of the inverse ratio of the distances (mean absolute
      differences), large where the generator ignores its latent.

    Source: Mao et al. 2019, "Mode Seeking Generative Adversarial Networks for Diverse Image
      Synthesis", equation 3; the inverse is averaged, as in the published code.
    """
    of_images = tf.reduce_mean(tf.abs(image - other_image), axis=[1, 2, 3])
    of_latents = tf.reduce_mean(tf.abs(latent - other_latent), axis=1)
    return tf.reduce_mean(of_latents / (of_images + SMALLEST_DISTANCE))
