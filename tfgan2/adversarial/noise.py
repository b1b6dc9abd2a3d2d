"""Everything random: a function of a row's seed when sampling, of (seed, step, row) in training."""

import zlib

import tensorflow as tf


def latents(
    seeds: tf.Tensor, truncation: tf.Tensor, *, latent_size: int, default_truncation: float
) -> tf.Tensor:
    """Draws a latent for every row from its own seed, whatever else is in the batch.

    Args:
      seeds: int64 [B].
      truncation: float32 [B]; 1 is the plain normal, a value between 0 and 1 that many times a
        normal redrawn into [-2, 2]; anything else means `default_truncation`.
      latent_size: length of a latent.
      default_truncation: above 0 and at most 1.

    Returns:
      float32 [B, latent_size].
    """
    allowed = tf.logical_and(truncation > 0.0, truncation <= 1.0)  # NaN is not.
    truncation = tf.where(allowed, truncation, default_truncation)

    def draw(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        seed, bound = row
        key = tf.stack([seed, tf.zeros_like(seed)])
        plain = tf.random.stateless_normal([latent_size], key, alg="philox")
        redrawn = tf.random.stateless_truncated_normal([latent_size], key, alg="philox")
        return tf.where(bound < 1.0, bound * redrawn, plain)

    signature = tf.TensorSpec([latent_size], tf.float32)
    return tf.map_fn(draw, (seeds, truncation), fn_output_signature=signature)


class StepNoise:
    """Draws for the rows of one training step; the number of replicas changes none of them."""

    def __init__(self, *, seed: int, step: tf.Tensor, scope: str, batch_size: int) -> None:
        """Places this replica's rows in the global batch.

        Args:
          seed: the run's.
          step: int64 scalar.
          scope: names the use, so that two uses in a step draw different numbers.
          batch_size: rows of this replica.
        """
        self._seed, self._step, self._scope = seed, step, scope
        context = tf.distribute.get_replica_context()
        self._rows = batch_size
        self._all_rows = batch_size * context.num_replicas_in_sync
        self._first = tf.cast(context.replica_id_in_sync_group, tf.int32) * batch_size

    def normal(self, name: str, size: int) -> tf.Tensor:
        """Draws from the normal distribution: float32 [B, size]."""
        shape = [self._all_rows, size]
        return self._own(tf.random.stateless_normal(shape, self._key(name), alg="philox"))

    def uniform(self, name: str, size: int) -> tf.Tensor:
        """Draws uniformly from [0, 1): float32 [B, size]."""
        shape = [self._all_rows, size]
        return self._own(tf.random.stateless_uniform(shape, self._key(name), alg="philox"))

    def _key(self, name: str) -> tf.Tensor:
        stream = zlib.crc32(f"{self._scope}/{name}".encode())
        return tf.stack([tf.constant((self._seed << 32) + stream, tf.int64), self._step])

    def _own(self, draws: tf.Tensor) -> tf.Tensor:
        return draws[self._first : self._first + self._rows]
