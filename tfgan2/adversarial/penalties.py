"""Gradient penalties: forward and backward in the policy's dtype, norms and powers in float32."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfgan2.adversarial.options import MatchingPenaltyOptions

# Keeps the derivative of the square root finite at a zero gradient.
SQUARED_NORM_FLOOR = 1e-12


def input_gradients(
    critic: Callable[..., tuple[tf.Tensor, Any]],
    inputs: Sequence[tf.Tensor],
    *,
    scale: tf.Tensor | float,
    needed: bool = True,
) -> tuple[Any, list[tf.Tensor]]:
    """Runs a critic, and computes the gradients of its logits with respect to the inputs.

    Args:
      critic: function of the inputs that returns logits [B] and another result; a logit depends
        only on its own row.
      inputs: tensors [B, ...].
      scale: factor of the logits in the inner backward pass, against underflow in float16; the
        returned gradients are divided by `scale`.
      needed: whether the step needs gradients; otherwise the list is empty.

    Returns:
      The critic's other result, and float32 gradients with the shapes of the inputs.
    """
    if not needed:
        return critic(*inputs)[1], []
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        logits, other = critic(*inputs)
        total = tf.reduce_sum(tf.cast(logits, tf.float32)) * scale
    gradients = tape.gradient(total, inputs)
    return other, [tf.cast(gradient, tf.float32) / scale for gradient in gradients]


def squared_norms(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Squared L2 norm of each row, summed over all tensors [B, ...]: float32 [B]."""
    return tf.add_n(
        [tf.reduce_sum(tf.square(g), axis=list(range(1, g.shape.rank))) for g in gradients]
    )


def matching_aware(
    gradients: Sequence[tf.Tensor], options: MatchingPenaltyOptions, *, factor: float = 1.0
) -> tf.Tensor:
    """Matching-aware gradient penalty (MA-GP) at real images with their own captions.

    Args:
      gradients: gradients of the logit with respect to image and sentence embedding;
        float32 [B, ...].
      options: weight k, exponent p, and the norm: `joint`, of all gradients as one vector, or
        `sum`, the sum of the norms of the gradients.
      factor: factor of the weight.

    Returns:
      float32 scalar: factor * k * mean(norm ** p).

    Source: Tao et al. 2022, "DF-GAN", section 3.3, equation 2.
    """
    joint = options.ma_gp_norm == "joint"
    vectors = [gradients] if joint else [[gradient] for gradient in gradients]
    norms = tf.add_n([tf.sqrt(squared_norms(vector) + SQUARED_NORM_FLOOR) for vector in vectors])
    return options.ma_gp_weight * factor * tf.reduce_mean(tf.pow(norms, options.ma_gp_power))


def zero_centred(gradients: Sequence[tf.Tensor], *, weight: float) -> tf.Tensor:
    """Zero-centred gradient penalty: R1 at real images, R2 at generated ones.

    Args:
      gradients: gradients of the logit with respect to the image; float32 [B, ...].
      weight: weight gamma of the penalty.

    Returns:
      float32 scalar: gamma / 2 * mean squared norm.

    Source: Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?",
      equation 9.
    """
    return weight / 2.0 * tf.reduce_mean(squared_norms(gradients))
