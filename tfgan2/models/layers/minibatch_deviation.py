"""Minibatch standard deviation.

Source: Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and
Variation", section 3; in groups as in the published code of StyleGAN2.
"""

import tensorflow as tf

SMALLEST_VARIANCE = 1e-8


def with_deviation(features: tf.Tensor, *, group: int) -> tf.Tensor:
    """Adds a channel with the minibatch standard deviation.

    Args:
      features: [B, H, W, C] of any float type; B is a multiple of `group`, or less than `group`.
      group: neighbouring rows per group, all of one replica; 0 adds no channel.

    Returns:
      [B, H, W, C + 1]: the new channel is constant within a group; its value is the mean over
      H, W and C of the standard deviation over the group's rows.
    """
    if not group:
        return features
    rows, height, width, channels = features.shape
    group = min(group, rows)
    groups = tf.reshape(tf.cast(features, tf.float32), [-1, group, height, width, channels])
    variance = tf.math.reduce_variance(groups, axis=1)
    deviation = tf.reduce_mean(tf.sqrt(variance + SMALLEST_VARIANCE), axis=[1, 2, 3])
    of_rows = tf.repeat(deviation, group)[:, tf.newaxis, tf.newaxis, tf.newaxis]
    channel = tf.broadcast_to(of_rows, [rows, height, width, 1])
    return tf.concat([features, tf.cast(channel, features.dtype)], axis=-1)
