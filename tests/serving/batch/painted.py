"""Tiny SavedModels with the signatures of exports."""

import pathlib

import tensorflow as tf

REFUSED = "refuse me"
_CAPTION = tf.TensorSpec([None], tf.string, name="caption")
_SEED = tf.TensorSpec([None], tf.int64, name="seed")
_TRUNCATION = tf.TensorSpec([None], tf.float32, name="truncation")


def _pictures(text: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    """Pictures of 1x3 pixels: two values from the row, one from the batch's row count."""
    row = tf.strings.join([text, tf.strings.as_string(seed), tf.strings.as_string(truncation)], " ")
    hashed = tf.strings.to_hash_bucket_fast(row, 2**16)
    rows = tf.fill(tf.shape(hashed), tf.shape(hashed, tf.int64)[0])
    pixels = tf.cast(tf.stack([hashed // 256, hashed % 256, rows], 1), tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels[:, None, :, None], fn_output_signature=tf.string)


class Painted(tf.Module):
    """Draws all captions but `REFUSED`."""

    @tf.function(input_signature=[_CAPTION, _SEED, _TRUNCATION])
    def generate(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> dict:
        refused = tf.reduce_any(tf.equal(caption, REFUSED))
        with tf.control_dependencies([tf.debugging.Assert(~refused, ["no such caption"])]):
            pictures = _pictures(caption, seed, truncation)
        return {"image_bytes": pictures, "unknown_words": tf.strings.length(caption)}

    @tf.function(input_signature=[_SEED, _TRUNCATION])
    def of_seeds(self, seed: tf.Tensor, truncation: tf.Tensor) -> dict:
        return {"image_bytes": _pictures(tf.constant("no caption"), seed, truncation)}

    @tf.function(input_signature=[_CAPTION, _SEED, _TRUNCATION])
    def joint(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> dict:
        pictures = _pictures(caption, seed, truncation)
        return {"image_bytes": pictures, "text": tf.strings.upper(caption)}


def write(base_path: pathlib.Path, kind: str = "generate", version: int = 1) -> pathlib.Path:
    """Writes a version of a kind: `generate`, `of_seeds` or `joint`."""
    module = Painted()
    module.weight = tf.Variable(version, dtype=tf.int64)  # Makes versions differ.
    path = base_path / str(version)
    tf.saved_model.save(module, str(path), signatures={"generate": getattr(module, kind)})
    return path
