"""From shards to batches; a batch is a function of (seed, step) alone."""

import dataclasses
import functools
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfgan2.data import records

# Streams of randomness, so that no two uses of (seed, step) draw the same numbers.
ORDER_STREAM, CAPTION_STREAM = 0, 1


def batches(
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
    *,
    split: str,
    batch_size: int,
    image_size: int,
    seed: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Endless shuffled batches, from any step on without reading what came before it.

    Every pass over the split visits each record once, in an order of its own.

    Args:
      data_dir: folder of the data set.
      manifest: what dataset.json says.
      split: `train` or `test`.
      batch_size: rows of a global batch.
      image_size: side of the images in pixels.
      seed: of the order and of the choice of captions.
      start_step: the first batch is that of this step.

    Returns:
      Batches of image float32 [B, S, S, C] in [-1, 1], caption string [B], mismatched_caption
      string [B] (that of the row before, as DF-GAN rolls its batch), label int64 [B].
    """
    reader = records.RecordReader(data_dir, manifest.splits[split])
    rows = functools.partial(_rows, records=len(reader), batch_size=batch_size, seed=seed)

    def fetch(step: np.ndarray) -> np.ndarray:
        return np.array([reader[row] for row in rows(int(step))], object)

    def read(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        serialized = tf.ensure_shape(tf.numpy_function(fetch, [step], tf.string), [batch_size])
        draws = tf.random.stateless_uniform(
            [batch_size], [seed, step * 2 + CAPTION_STREAM], dtype=tf.float32, alg="philox"
        )
        return serialized, draws

    def decode(serialized: tf.Tensor, draw: tf.Tensor) -> dict[str, tf.Tensor]:
        record = records.parse(serialized)
        return {
            "image": decode_image(record["image"], manifest, image_size),
            "caption": _pick(record["captions"], draw),
            "label": record["label"],
        }

    def pair(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {**batch, "mismatched_caption": tf.roll(batch["caption"], shift=1, axis=0)}

    return (
        tf.data.Dataset.counter(start_step)
        .map(read, num_parallel_calls=2, deterministic=True)
        .unbatch()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .map(pair)
    )


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images in memory: image uint8 [N, S, S, C], captions (N tuples), label int64 [N] or -1."""

    image: np.ndarray
    captions: Sequence[tuple[str, ...]]
    label: np.ndarray


def examples(
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
    *,
    split: str,
    image_size: int,
    limit: int | None = None,
) -> Examples:
    """Reads the first records of a split, in the order of the shards.

    Args:
      data_dir: folder of the data set.
      manifest: what dataset.json says.
      split: `train` or `test`.
      image_size: side of the images in pixels.
      limit: at most so many; None reads all.
    """
    reader = records.RecordReader(data_dir, manifest.splits[split])
    count = len(reader) if limit is None else min(limit, len(reader))
    parsed = [records.parse(reader[row]) for row in range(count)]
    images = [decode_image(record["image"], manifest, image_size) for record in parsed]
    return Examples(
        image=np.rint((np.stack(images) + 1) * 127.5).astype(np.uint8),
        captions=[tuple(text.decode() for text in record["captions"].numpy()) for record in parsed],
        label=np.array([record["label"].numpy() for record in parsed], np.int64),
    )


def decode_image(encoded: tf.Tensor, manifest: records.Manifest, image_size: int) -> tf.Tensor:
    """Decodes a record's image and resizes it where the model draws another size.

    Args:
      encoded: string scalar, PNG or JPEG.
      manifest: says the size and the channels of the images.
      image_size: side of the result in pixels.

    Returns:
      float32 [image_size, image_size, C] in [-1, 1].
    """
    stored = [manifest.image_size, manifest.image_size, manifest.channels]
    image = tf.io.decode_image(encoded, channels=manifest.channels, expand_animations=False)
    image = tf.cast(tf.ensure_shape(image, stored), tf.float32)
    if image_size != manifest.image_size:
        image = tf.image.resize(image, [image_size, image_size], antialias=True)
    return image / 127.5 - 1.0


def _rows(step: int, *, records: int, batch_size: int, seed: int) -> list[int]:
    """Record numbers of a step's global batch."""
    positions = range(step * batch_size, (step + 1) * batch_size)
    return [int(_order(seed, at // records, records)[at % records]) for at in positions]


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, records: int) -> np.ndarray:
    return np.random.default_rng([ORDER_STREAM, seed, epoch]).permutation(records)


def _pick(captions: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    count = tf.shape(captions)[0]
    chosen = tf.cast(draw * tf.cast(count, tf.float32), tf.int32)
    return captions[tf.minimum(chosen, count - 1)]
