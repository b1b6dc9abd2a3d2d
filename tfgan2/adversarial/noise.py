"""Stateless noise: a function of the row's seed in sampling, of (seed, step, row) in training."""

import dataclasses
import zlib

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Part:
    """Part number `index`, from 0, of `count` equal parts of the rows of a replica."""

    index: int = 0
    count: int = 1


WHOLE = Part()


def latents(
    seeds: tf.Tensor, truncation: tf.Tensor, *, latent_size: int, default_truncation: float
) -> tf.Tensor:
    """Draws the latent of every row from the row's seed, independent of the other rows.

    Args:
      seeds: int64 [B].
      truncation: float32 [B]; 1: normal distribution; t in (0, 1): t times a normal distribution
        truncated to [-2, 2]; any other value: `default_truncation`.
      latent_size: length of a latent.
      default_truncation: in (0, 1].

    Returns:
      float32 [B, latent_size].
    """
    allowed = tf.logical_and(truncation > 0.0, truncation <= 1.0)  # NaN is not allowed.
    truncation = tf.where(allowed, truncation, default_truncation)

    def draw(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        seed, bound = row
        key = tf.stack([seed, tf.zeros_like(seed)])
        plain = tf.random.stateless_normal([latent_size], key, alg="philox")
        truncated = tf.random.stateless_truncated_normal([latent_size], key, alg="philox")
        return tf.where(bound < 1.0, bound * truncated, plain)

    signature = tf.TensorSpec([latent_size], tf.float32)
    return tf.map_fn(draw, (seeds, truncation), fn_output_signature=signature)


class StepNoise:
    """Noise for the rows of one training step; independent of the number of replicas."""

    def __init__(
        self, *, seed: int, step: tf.Tensor, scope: str, batch_size: int, part: Part = WHOLE
    ) -> None:
        """Finds the rows in the global batch.

        Args:
          seed: seed of the run.
          step: step number; int64 scalar.
          scope: name of the use; two scopes in one step draw different numbers.
          batch_size: number of rows.
          part: part of this replica's rows.
        """
        self._seed, self._step, self._scope = seed, step, scope
        context = tf.distribute.get_replica_context()
        self._rows = batch_size
        of_replica = batch_size * part.count
        self._all_rows = of_replica * context.num_replicas_in_sync
        self._first = tf.cast(context.replica_id_in_sync_group, tf.int32) * of_replica
        self._first += part.index * batch_size

    def normal(self, name: str, size: int) -> tf.Tensor:
        """Draws from the standard normal distribution: float32 [B, size]."""
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
