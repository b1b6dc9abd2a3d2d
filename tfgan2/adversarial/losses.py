"""What the players want, as functions of the discriminator's logits."""

import dataclasses
import functools
import math
from collections.abc import Callable

import tensorflow as tf

# Keeps the mode-seeking ratio finite where two pictures are the same.
SMALLEST_DISTANCE = 1e-3

LOSSES = ("hinge", "bce", "relativistic")
# What a discriminator loses that says 0 of everything.
OF_GUESSING = {"hinge": 2.0, "bce": 2.0 * math.log(2.0), "relativistic": math.log(2.0)}


@dataclasses.dataclass(frozen=True)
class Logits:
    """What a discriminator says of some rows, in one output or several.

    Attributes:
      matched: of image and sentence together, each float32 [B] or, by pixels, [B, H, W].
      alone: of the image alone, likewise.
    """

    matched: tuple[tf.Tensor, ...]
    alone: tuple[tf.Tensor, ...] = ()

    @property
    def outputs(self) -> tuple[tf.Tensor, ...]:
        """All of them."""
        return self.matched + self.alone

    @property
    def rows(self) -> tf.Tensor:
        """Means over the outputs and their pixels: float32 [B]."""
        means = [tf.reduce_mean(it, axis=list(range(1, it.shape.rank))) for it in self.outputs]
        return tf.add_n(means) / len(means)


def taken_for_real(logit: tf.Tensor, *, smoothing: float = 0.0) -> tf.Tensor:
    """Binary cross-entropy of logits against 1, the mean of all: float32 scalar.

    Args:
      logit: float32 of any shape.
      smoothing: the label is 1 minus so much (one-sided label smoothing).

    Source: Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.4.
    """
    right = tf.reduce_mean(tf.nn.softplus(-logit))
    if not smoothing:
        return right
    return (1.0 - smoothing) * right + smoothing * taken_for_fake(logit)


def taken_for_fake(logit: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of logits against 0, the mean of all: float32 scalar."""
    return tf.reduce_mean(tf.nn.softplus(logit))


def _hinge_right(logit: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.relu(1.0 - logit))


def _hinge_wrong(logit: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.relu(1.0 + logit))


# By the name of the loss: of a logit that should be high, and of one that should be low.
_TERMS: dict[str, tuple[Callable, Callable]] = {
    "hinge": (_hinge_right, _hinge_wrong),
    "bce": (taken_for_real, taken_for_fake),
}


def discriminator(
    loss: str,
    *,
    real: Logits,
    fake: Logits,
    mismatched: Logits | None,
    mismatch_weight: float,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """Loss of a discriminator that may also judge whether caption and image match.

    Args:
      loss: `hinge`; `bce`, binary cross-entropy; or `relativistic`, in which every real pair is to
        score above the fake and the mismatched pair of its row.
      real: of real images with their own captions.
      fake: of generated images with the captions of the same rows.
      mismatched: of real images with captions of others; None: they are not judged.
      mismatch_weight: of the mismatched pairs, where generated ones have 1; published: 1.
      label_smoothing: the label of real pairs is 1 minus so much; `bce` alone has labels.

    Returns:
      float32 scalar: the mean of what should be high, plus the weighted mean of what should be low.

    Source: hinge: Tao et al. 2022, "DF-GAN", equation 3; bce: Reed et al. 2016, "Generative
      Adversarial Text to Image Synthesis", algorithm 1; relativistic: Huang et al. 2024, "The GAN
      is dead; long live the GAN!", equation 2 (RpGAN).
    """
    pairs_wrong = [(1.0, *pair) for pair in zip(real.outputs, fake.outputs, strict=True)]
    if mismatched is not None:
        pairs = zip(real.matched, mismatched.matched, strict=True)
        pairs_wrong += [(mismatch_weight, *pair) for pair in pairs]
    weights = sum(weight for weight, _, _ in pairs_wrong)
    if loss == "relativistic":
        return sum(
            weight / weights * tf.reduce_mean(tf.nn.softplus(low - high))
            for weight, high, low in pairs_wrong
        )
    right, wrong = _TERMS[loss]
    if label_smoothing:
        right = functools.partial(taken_for_real, smoothing=label_smoothing)
    high = tf.add_n([right(logit) for logit in real.outputs]) / len(real.outputs)
    return high + sum(weight / weights * wrong(low) for weight, _, low in pairs_wrong)


def real_sign(loss: str, *, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """How surely real images are told, by which augmentation is adapted.

    Args:
      loss: as for `discriminator`.
      real: logits of real rows, float32 [B].
      fake: logits of generated rows, float32 [B].

    Returns:
      float32 scalar: the mean sign of the real rows; with `relativistic`, whose logits mean
      something in pairs alone, that of the differences.

    Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
      equation 1 (r_t).
    """
    return tf.reduce_mean(tf.sign(real - fake if loss == "relativistic" else real))


def generator(loss: str, *, fake: Logits, real: Logits | None = None) -> tf.Tensor:
    """Loss of the generator: the mean of its matched outputs, plus that of those of images alone.

    Args:
      loss: as for `discriminator`; with `hinge` the generator wants the mean logit high.
      fake: of generated images.
      real: of real images of the same rows; `relativistic` needs it.

    Returns:
      float32 scalar.
    """

    def of(fakes: tuple[tf.Tensor, ...], reals: tuple[tf.Tensor, ...]) -> tf.Tensor:
        if loss == "relativistic":
            terms = [
                tf.reduce_mean(tf.nn.softplus(high - low))
                for high, low in zip(reals, fakes, strict=True)
            ]
        elif loss == "hinge":
            terms = [-tf.reduce_mean(logit) for logit in fakes]
        else:
            terms = [taken_for_real(logit) for logit in fakes]
        return tf.add_n(terms) / len(terms) if terms else tf.constant(0.0)

    compared = real or Logits((), ())
    return of(fake.matched, compared.matched) + of(fake.alone, compared.alone)


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
