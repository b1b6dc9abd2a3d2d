"""Reads shards into batches; a batch depends only on (seed, step)."""

import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfgan2.data import records
from tfgan2.data.order import Order

# Random streams: different uses of (seed, step) draw different numbers.
VIEW_STREAM, CAPTION_STREAM, STREAMS = 0, 1, 2

MIB = 1024**2
# Batches that are decoded at the same time, at most; each is in memory.
MOST_PARALLEL_BATCHES = 8
# Shards that a sample of a split comes from, at most.
SAMPLED_SHARDS = 8


@dataclasses.dataclass(frozen=True)
class View:
    """Crop and size of a model's images.

    Attributes:
      image_size: side of the cropped image in pixels.
      crop_margin: the image is resized to `crop_margin` * `image_size`, then cropped: randomly for
        training, in the centre for evaluation.
      horizontal_flip: whether training mirrors half of the images.
    """

    image_size: int
    crop_margin: float = 1.0
    horizontal_flip: bool = False

    @property
    def resized(self) -> int:
        """Side in pixels before the crop."""
        return round(self.image_size * self.crop_margin)


def batches(
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
    *,
    split: str,
    batch_size: int,
    view: View,
    seed: int,
    start_step: int = 0,
    captions_per_image: int = 1,
    mismatch_other_class: bool = False,
    cache_mb: int = 0,
) -> tf.data.Dataset:
    """Yields endless shuffled batches from any step, without reading the batches before.

    Every pass over the split reads each record once, in its own order, see `order.Order`. The first
    batch reads the shards of one window.

    Args:
      data_dir: folder of the data set.
      manifest: content of dataset.json.
      split: `train` or `test`.
      batch_size: rows of a global batch.
      view: crop and size of the images.
      seed: seed of the order, and of the choice of captions and crops.
      start_step: step of the first batch.
      captions_per_image: number of different captions per image; they repeat if it has fewer.
      mismatch_other_class: whether the mismatched caption comes from the closest earlier row with
        a different label or without one. If False, or if there is no such row, the caption comes
        from the previous row.
      cache_mb: decoded images are cached if all of them fit into this many MiB.

    Returns:
      Batches of image float32 [B, S, S, C] in [-1, 1], caption string [B] (several: [B, n]),
      label int64 [B]; mismatched_caption and mismatched_label have the same shapes, and come from
      the previous row (as DF-GAN rolls its batch).
    """
    reader = records.RecordReader(data_dir, manifest.splits[split])
    counts = [shard.records for shard in manifest.splits[split]]
    order = Order(counts, batch_size=batch_size, seed=seed)
    decode = functools.partial(_decode, manifest=manifest, size=view.resized)
    stored = [view.resized, view.resized, manifest.channels]
    cached = len(reader) * int(np.prod(stored)) <= cache_mb * MIB

    def serialized(step: np.ndarray) -> np.ndarray:
        return np.array([reader[row] for row in order.rows(int(step))], object)

    @functools.cache
    def decoded(row: int) -> np.ndarray:
        return decode(records.parse(reader[row])["image"]).numpy()

    def images(step: np.ndarray) -> np.ndarray:
        return np.stack([decoded(row) for row in order.rows(int(step))])

    # No branch here depends on a tensor: AutoGraph would only make the trace slower.
    @tf.autograph.experimental.do_not_convert
    def read(step: tf.Tensor) -> dict[str, tf.Tensor]:
        def draws(stream: int, count: int) -> tf.Tensor:
            return tf.random.stateless_uniform(
                [batch_size, count], [seed, step * STREAMS + stream], dtype=tf.float32, alg="philox"
            )

        inputs = {
            "record": tf.ensure_shape(tf.numpy_function(serialized, [step], tf.string), batch_size),
            "caption_draws": draws(CAPTION_STREAM, captions_per_image),
            "view_draws": draws(VIEW_STREAM, 3),
        }
        if cached:
            image = tf.numpy_function(images, [step], tf.uint8)
            inputs["image"] = tf.ensure_shape(image, [batch_size, *stored])
        side = view.image_size
        batch = tf.map_fn(
            example,
            inputs,
            fn_output_signature={
                "image": tf.TensorSpec([side, side, manifest.channels], tf.float32),
                "caption": tf.TensorSpec([captions_per_image], tf.string),
                "label": tf.TensorSpec([], tf.int64),
            },
        )
        if captions_per_image == 1:
            batch["caption"] = batch["caption"][:, 0]
        sources = _nearest_before(batch["label"], other_class=mismatch_other_class)
        others = {f"mismatched_{it}": tf.gather(batch[it], sources) for it in ("caption", "label")}
        return {**batch, **others}

    def example(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        record = records.parse(inputs["record"])
        image = inputs["image"] if cached else decode(record["image"])
        image = _random_view(image, inputs["view_draws"], view)
        return {
            "image": tf.cast(image, tf.float32) / 127.5 - 1.0,
            "caption": _pick(record["captions"], inputs["caption_draws"]),
            "label": record["label"],
        }

    return tf.data.Dataset.counter(start_step).map(
        read, num_parallel_calls=min(MOST_PARALLEL_BATCHES, os.cpu_count() or 1), deterministic=True
    )


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images in memory: image uint8 [N, S, S, C], captions (N tuples), label int64 [N] or -1."""

    image: np.ndarray
    captions: Sequence[tuple[str, ...]]
    label: np.ndarray

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields the images in their order, `size` at a time."""
        for start in range(0, len(self.image), size):
            yield self.image[start : start + size]


class StoredExamples:
    """Examples of a split in the order of the shards; the images stay on disk.

    Attributes:
      captions: captions of each image, N tuples.
      label: int64 [N]; -1: no label.
    """

    def __init__(
        self, data_dir: str | os.PathLike, manifest: records.Manifest, *, split: str, view: View
    ) -> None:
        """Reads captions and labels; the images are read by `batches`.

        Args:
          data_dir: folder of the data set.
          manifest: content of dataset.json.
          split: `train` or `test`.
          view: crop and size of the images; the crop is in the centre.
        """
        self._reader = records.RecordReader(data_dir, manifest.splits[split])
        self._manifest, self._view = manifest, view
        parsed = [records.parse(self._reader[at]) for at in range(len(self._reader))]
        self.captions, self.label = _captions_and_labels(parsed)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields decoded images, uint8 [<= size, S, S, C]."""
        count = len(self._reader)
        for start in range(0, count, size):
            rows = range(start, min(start + size, count))
            parsed = (records.parse(self._reader[row]) for row in rows)
            yield np.stack([_middle(record, self._manifest, self._view) for record in parsed])


def examples(
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
    *,
    split: str,
    view: View,
    limit: int | None = None,
) -> Examples:
    """Reads records of a split into memory, in the order of the shards.

    The arguments are those of `StoredExamples`, and `limit`, the number of records at most, evenly
    chosen from the split; None: all.
    """
    parsed = _evenly(data_dir, manifest, split=split, limit=limit)
    captions, label = _captions_and_labels(parsed)
    return Examples(np.stack([_middle(it, manifest, view) for it in parsed]), captions, label)


def stored_captions(
    data_dir: str | os.PathLike, manifest: records.Manifest, *, split: str, limit: int
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Reads captions and labels without the images.

    Args:
      data_dir: folder of the data set.
      manifest: content of dataset.json.
      split: `train` or `test`.
      limit: number of records at most, evenly chosen from the split.

    Returns:
      Captions of each record, and labels, int64 [N].
    """
    return _captions_and_labels(_evenly(data_dir, manifest, split=split, limit=limit))


def _evenly(
    data_dir: str | os.PathLike, manifest: records.Manifest, *, split: str, limit: int | None
) -> list[dict[str, tf.Tensor]]:
    """Parses at most `limit` records of a split, evenly chosen; None: all.

    With a limit, the records come from at most `SAMPLED_SHARDS` shards, evenly chosen.
    """
    shards = manifest.splits[split]
    if limit is not None and len(shards) > SAMPLED_SHARDS:
        shards = tuple(shards[at * len(shards) // SAMPLED_SHARDS] for at in range(SAMPLED_SHARDS))
    reader = records.RecordReader(data_dir, shards)
    count = len(reader) if limit is None else min(limit, len(reader))
    return [records.parse(reader[at * len(reader) // count]) for at in range(count)]


def _captions_and_labels(
    parsed: Sequence[dict[str, tf.Tensor]],
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Captions and labels of parsed records, as `StoredExamples` has them."""
    captions = [tuple(text.decode() for text in it["captions"].numpy()) for it in parsed]
    return captions, np.array([it["label"].numpy() for it in parsed], np.int64)


def _middle(record: dict[str, tf.Tensor], manifest: records.Manifest, view: View) -> np.ndarray:
    """Decodes the centre crop of a record's image: uint8 [S, S, C]."""
    start = (view.resized - view.image_size) // 2
    image = _decode(record["image"], manifest=manifest, size=view.resized)
    return _crop(image, start, start, view).numpy()


def _nearest_before(label: tf.Tensor, *, other_class: bool) -> tf.Tensor:
    """Returns for every row the index of the previous row, or of the previous one with other label.

    Row 0 comes after the last row.

    Args:
      label: int64 [B]; -1: no label.
      other_class: skip rows of the same label, unless all rows have it.

    Returns:
      int32 [B].
    """
    count = label.shape[0]
    rows = tf.range(count)
    steps_back = tf.math.floormod(rows[:, tf.newaxis] - rows - 1, count)
    if other_class:
        same = tf.logical_and(label[:, tf.newaxis] == label, label >= 0)
        steps_back += tf.where(same, count, 0)
    return tf.argmin(steps_back, axis=1, output_type=tf.int32)


def _decode(encoded: tf.Tensor, *, manifest: records.Manifest, size: int) -> tf.Tensor:
    """Decodes a record's image as uint8 [size, size, C]."""
    stored = [manifest.image_size, manifest.image_size, manifest.channels]
    image = tf.io.decode_image(encoded, channels=manifest.channels, expand_animations=False)
    image = tf.ensure_shape(image, stored)
    if size == manifest.image_size:
        return image
    resized = tf.image.resize(image, [size, size], antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def _crop(image: tf.Tensor, top: tf.Tensor, left: tf.Tensor, view: View) -> tf.Tensor:
    cut = image[top : top + view.image_size, left : left + view.image_size]
    return tf.ensure_shape(cut, [view.image_size, view.image_size, image.shape[-1]])


def _random_view(image: tf.Tensor, draws: tf.Tensor, view: View) -> tf.Tensor:
    """Crops and mirrors an image by three random numbers in [0, 1)."""
    positions = view.resized - view.image_size + 1
    if positions > 1:
        top, left = tf.unstack(tf.cast(draws[:2] * positions, tf.int32))
        image = _crop(image, top, left, view)
    if view.horizontal_flip:
        image = tf.where(draws[2] < 0.5, image[:, ::-1], image)
    return image


def _pick(captions: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Draws captions without replacement; starts again when none is left."""
    picked, left = [], captions
    for draw in tf.unstack(draws):
        left = tf.cond(tf.size(left) > 0, lambda left=left: left, lambda: captions)
        at = tf.cast(draw * tf.cast(tf.size(left), tf.float32), tf.int32)
        at = tf.minimum(at, tf.size(left) - 1)
        picked.append(left[at])
        left = tf.concat([left[:at], left[at + 1 :]], axis=0)
    return tf.stack(picked)
