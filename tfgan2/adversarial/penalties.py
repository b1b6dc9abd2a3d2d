"""Gradient penalties: passes in the policy's precision, norms and their powers in float32."""

from collections.abc import Callable, Sequence

import tensorflow as tf

# Keeps the derivative of a square root finite where a gradient vanishes.
SQUARED_NORM_FLOOR = 1e-12


def input_gradients(
    critic: Callable[..., tf.Tensor], inputs: Sequence[tf.Tensor], *, scale: tf.Tensor | float
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Applies a critic and differentiates it by its inputs, row by row.

    Args:
      critic: from the inputs to logits [B]; a row's logit depends on that row of the inputs alone.
      inputs: tensors [B, ...].
      scale: factor of the logits during the inner pass, so that gradients do not vanish in
        float16; it is taken out of them again.

    Returns:
      The logits as float32, and float32 gradients of the shapes of the inputs.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        logits = tf.cast(critic(*inputs), tf.float32)
        total = tf.reduce_sum(logits) * scale
    gradients = tape.gradient(total, inputs)
    return logits, [tf.cast(gradient, tf.float32) / scale for gradient in gradients]


def squared_norms(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Squared L2 norm of each row over all tensors [B, ...] together: float32 [B]."""
    return tf.add_n(
        [tf.reduce_sum(tf.square(g), axis=list(range(1, g.shape.rank))) for g in gradients]
    )


def matching_aware(
    gradients: Sequence[tf.Tensor], *, weight: float, power: float, norm: str = "joint"
) -> tf.Tensor:
    """Matching-aware gradient penalty (MA-GP) at real images with their own captions.

    Args:
      gradients: of the logit by image and by sentence, float32 [B, ...].
      weight: k.
      power: p.
      norm: `joint`, of all gradients as one vector, as in the published code; or `sum`, of a norm
        of each, as in the paper.

    Returns:
      float32 scalar: k times the mean of the norm to the power p.

    Source: Tao et al. 2022, "DF-GAN", section 3.3, equation 2.
    """
    together = [gradients] if norm == "joint" else [[gradient] for gradient in gradients]
    norms = tf.add_n([tf.sqrt(squared_norms(part) + SQUARED_NORM_FLOOR) for part in together])
    return weight * tf.reduce_mean(tf.pow(norms, power))


def zero_centred(gradients: Sequence[tf.Tensor], *, weight: float) -> tf.Tensor:
    """Zero-centred gradient penalty: R1 at real images, R2 at generated ones.

    Args:
      gradients: of the logit by image, float32 [B, ...].
      weight: gamma.

    Returns:
      float32 scalar: gamma / 2 times the mean squared norm.

    Source: Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?",
      equation 9.
    """
    return weight / 2.0 * tf.reduce_mean(squared_norms(gradients))
