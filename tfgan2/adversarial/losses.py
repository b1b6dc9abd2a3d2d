"""Losses of generator and discriminator, as functions of the discriminator's logits."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import tensorflow as tf

# Keeps the mode-seeking ratio finite for two equal images.
SMALLEST_DISTANCE = 1e-3

LOSSES = ("hinge", "bce", "relativistic")
# Chance loss: the loss of a discriminator that always outputs 0.
CHANCE_LOSS = {"hinge": 2.0, "bce": 2.0 * math.log(2.0), "relativistic": math.log(2.0)}


@dataclasses.dataclass(frozen=True)
class Logits:
    """Logits of a discriminator with one or several outputs.

    Attributes:
      conditional: logits of image and sentence embedding; each float32 [B], or [B, H, W]
        per pixel.
      unconditional: logits of only the image; same shapes.
    """

    conditional: tuple[tf.Tensor, ...]
    unconditional: tuple[tf.Tensor, ...] = ()

    @property
    def outputs(self) -> tuple[tf.Tensor, ...]:
        """Conditional logits, then unconditional logits."""
        return self.conditional + self.unconditional

    def split(self) -> list["Logits"]:
        """One `Logits` per output, conditional outputs first."""
        conditional = [Logits((logit,)) for logit in self.conditional]
        return conditional + [Logits((), (logit,)) for logit in self.unconditional]

    @property
    def mean_per_row(self) -> tf.Tensor:
        """Mean logit per row, over outputs and pixels: float32 [B]."""
        means = [tf.reduce_mean(it, axis=list(range(1, it.shape.rank))) for it in self.outputs]
        return tf.add_n(means) / len(means)


def bce_with_label_1(logit: tf.Tensor, *, smoothing: float = 0.0) -> tf.Tensor:
    """Mean binary cross-entropy of logits with label 1: float32 scalar.

    Args:
      logit: float32 of any shape.
      smoothing: one-sided label smoothing; the label is `1 - smoothing`.

    Source: Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.4.
    """
    loss = tf.reduce_mean(tf.nn.softplus(-logit))
    if not smoothing:
        return loss
    return (1.0 - smoothing) * loss + smoothing * bce_with_label_0(logit)


def bce_with_label_0(logit: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy of logits with label 0: float32 scalar."""
    return tf.reduce_mean(tf.nn.softplus(logit))


def _hinge_high(logit: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.relu(1.0 - logit))


def _hinge_low(logit: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.relu(1.0 + logit))


# By loss name: the term of logits that should be high, and of logits that should be low.
_TERMS: dict[str, tuple[Callable, Callable]] = {
    "hinge": (_hinge_high, _hinge_low),
    "bce": (bce_with_label_1, bce_with_label_0),
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
    """Discriminator loss, optionally matching-aware (with mismatched pairs).

    Args:
      loss: `hinge`; `bce`, binary cross-entropy; or `relativistic`, in which a real pair should
        score above the generated and the mismatched pair of its row.
      real: logits of real images with their own captions.
      fake: logits of generated images with the captions of the same rows.
      mismatched: logits of real images with other captions; None: no mismatched pairs.
      mismatch_weight: weight of mismatched pairs; generated pairs have weight 1; published: 1.
      label_smoothing: the label of real pairs is `1 - label_smoothing`; only for `bce`.

    Returns:
      float32 scalar: mean term of the logits that should be high, plus the weighted mean term of
      the logits that should be low.

    Source: hinge: Tao et al. 2022, "DF-GAN", equation 3; bce: Reed et al. 2016, "Generative
      Adversarial Text to Image Synthesis", algorithm 1; relativistic: Huang et al. 2024, "The GAN
      is dead; long live the GAN!", equation 2 (RpGAN).
    """
    weighted_pairs = [(1.0, *pair) for pair in zip(real.outputs, fake.outputs, strict=True)]
    if mismatched is not None:
        pairs = zip(real.conditional, mismatched.conditional, strict=True)
        weighted_pairs += [(mismatch_weight, *pair) for pair in pairs]
    weights = sum(weight for weight, _, _ in weighted_pairs)
    if loss == "relativistic":
        return sum(
            weight / weights * tf.reduce_mean(tf.nn.softplus(low - high))
            for weight, high, low in weighted_pairs
        )
    high_term, low_term = _TERMS[loss]
    if label_smoothing:
        high_term = functools.partial(bce_with_label_1, smoothing=label_smoothing)
    high = tf.add_n([high_term(logit) for logit in real.outputs]) / len(real.outputs)
    return high + sum(weight / weights * low_term(low) for weight, _, low in weighted_pairs)


def ada_r_t(loss: str, *, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """r_t of ADA, the overfitting measure that adapts the augmentation probability.

    Args:
      loss: as for `discriminator`.
      real: logits of real rows; float32 [B].
      fake: logits of generated rows; float32 [B].

    Returns:
      float32 scalar in [-1, 1]: mean sign of the real logits; with `relativistic`, mean sign of
      `real - fake`, because relativistic logits have a meaning only in pairs.

    Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
      equation 1 (r_t).
    """
    return tf.reduce_mean(tf.sign(real - fake if loss == "relativistic" else real))


def generator(loss: str, *, fake: Logits, real: Logits | None = None) -> tf.Tensor:
    """Generator loss: mean term of the conditional logits plus mean term of the unconditional.

    Args:
      loss: as for `discriminator`; with `hinge` the loss is the negative mean logit.
      fake: logits of generated images.
      real: logits of real images of the same rows; only `relativistic` needs them.

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
            terms = [bce_with_label_1(logit) for logit in fakes]
        return tf.add_n(terms) / len(terms) if terms else tf.constant(0.0)

    compared = real or Logits((), ())
    conditional = of(fake.conditional, compared.conditional)
    return conditional + of(fake.unconditional, compared.unconditional)


def mode_seeking(
    image: tf.Tensor, other_image: tf.Tensor, latent: tf.Tensor, other_latent: tf.Tensor
) -> tf.Tensor:
    """Mode-seeking loss: two images of one caption should differ as much as their latents.

    Args:
      image: generated images; float32 [B, S, S, C].
      other_image: generated images of the same captions; like `image`.
      latent: latents of `image`; float32 [B, D].
      other_latent: latents of `other_image`; like `latent`.

    Returns:
      float32 scalar: mean over rows of latent distance / image distance (mean absolute
      differences); large if the generator ignores the latent.

    Source: Mao et al. 2019, "Mode Seeking Generative Adversarial Networks for Diverse Image
      Synthesis", equation 3; the inverse is averaged, as in the published code.
    """
    of_images = tf.reduce_mean(tf.abs(image - other_image), axis=[1, 2, 3])
    of_latents = tf.reduce_mean(tf.abs(latent - other_latent), axis=1)
    return tf.reduce_mean(of_latents / (of_images + SMALLEST_DISTANCE))


def feature_matching(fake: Sequence[tf.Tensor], real: Sequence[tf.Tensor]) -> tf.Tensor:
    """Distance between generated and real images in the features of a network.

    Args:
      fake: features of generated images, by layer; each [B, H, W, D].
      real: features of the real images of the same captions; like `fake`. No gradient flows into
        them.

    Returns:
      float32 scalar: mean over layers and rows of the mean absolute difference, relative to the
      mean absolute value of the real features of the row.

    Source: Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with
      Conditional GANs", equation 4; without the relative scale, layers with large features would
      outweigh the others.
    """
    terms = []
    for fake_layer, real_layer in zip(fake, real, strict=True):
        target = tf.stop_gradient(tf.cast(real_layer, tf.float32))
        difference = tf.abs(tf.cast(fake_layer, tf.float32) - target)
        size = tf.reduce_mean(tf.abs(target), axis=[1, 2, 3])
        relative = tf.reduce_mean(difference, axis=[1, 2, 3]) / (size + SMALLEST_DISTANCE)
        terms.append(tf.reduce_mean(relative))
    return tf.add_n(terms) / len(terms)
