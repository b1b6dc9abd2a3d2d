"""The signatures of a SavedModel: what a client may ask, and what comes back."""

import tensorflow as tf

from tfgan2.adversarial.sampler import Sampler

SEEDS = 2**31


class Signatures(tf.Module):
    """A sampler behind signatures whose inputs all have a batch dimension."""

    def __init__(self, sampler: Sampler) -> None:
        """Wraps a sampler."""
        super().__init__(name="signatures")
        self.sampler = sampler

    def functions(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Every signature by its name, with the shapes and dtypes of its inputs."""
        caption = tf.TensorSpec([None], tf.string, "caption")
        seed = tf.TensorSpec([None], tf.int64, "seed")
        truncation = tf.TensorSpec([None], tf.float32, "truncation")
        sentence = tf.TensorSpec([None, self.sampler.sentence_size], tf.float32, "sentence")
        inputs = {
            "serving_default": (self.serving_default, [caption]),
            "generate": (self.generate, [caption, seed, truncation]),
            "pixels": (self.pixels, [caption, seed, truncation]),
            "embed": (self.embed, [caption]),
            "draw": (self.draw, [sentence, seed, truncation]),
        }
        return {
            name: tf.function(method, input_signature=specs)
            for name, (method, specs) in inputs.items()
        }

    def serving_default(self, caption: tf.Tensor) -> dict[str, tf.Tensor]:
        """Draws captions with fresh seeds, and sends the seeds back."""
        # This op, with both seeds 0, is reached by no global seed: an export has no fixed "fresh".
        seed = tf.raw_ops.RandomUniformInt(
            shape=tf.shape(caption),
            minval=tf.constant(0, tf.int64),
            maxval=tf.constant(SEEDS, tf.int64),
            seed=0,
            seed2=0,
        )
        model_default = tf.zeros(tf.shape(caption), tf.float32)
        return {**self.generate(caption, seed, model_default), "seed": seed}

    def generate(
        self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Draws captions with given seeds, as PNG."""
        return {
            "image_bytes": encode_png(self.sampler.pixels(caption, seed, truncation)),
            "unknown_words": self.sampler.unknown_words(caption),
        }

    def pixels(
        self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Draws captions with given seeds, as uint8 pixels."""
        return {"image": self.sampler.pixels(caption, seed, truncation)}

    def embed(self, caption: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encodes captions."""
        return {"sentence": self.sampler.embed(caption)}

    def draw(
        self, sentence: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Draws encoded captions, mixed or not, as PNG."""
        return {"image_bytes": encode_png(self.sampler.draw(sentence, seed, truncation))}


def encode_png(images: tf.Tensor) -> tf.Tensor:
    """Encodes images uint8 [B, H, W, C] as PNG: string [B]."""
    specification = tf.TensorSpec([], tf.string)
    return tf.map_fn(tf.io.encode_png, images, fn_output_signature=specification)
