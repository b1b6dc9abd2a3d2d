"""The signatures of a SavedModel: what a client may ask, and what comes back."""

import abc
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

import tensorflow as tf

from tfgan2.adversarial.sampler import AnySampler, JointSampler, Sampler, UnconditionalSampler

SEEDS = 2**31
Outputs: TypeAlias = dict[str, tf.Tensor]
# What every input is, without its batch dimension; a sentence's length is the model's.
INPUT_TYPES = {"caption": tf.string, "seed": tf.int64, "truncation": tf.float32}


class Signatures(tf.Module, abc.ABC):
    """A sampler behind signatures whose inputs all have a batch dimension.

    Attributes:
      inputs: by the name of a signature, which is that of its method, the names of its inputs.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]]

    def functions(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Every signature by its name, with the shapes and dtypes of its inputs."""
        return {
            name: tf.function(
                self._method(name), input_signature=[self._specification(it) for it in inputs]
            )
            for name, inputs in self.inputs.items()
        }

    def examples(self, *, caption: str) -> dict[str, dict[str, tf.Tensor]]:
        """By signature, inputs of one row each: that caption, seed 0, the model's truncation."""
        values = {"caption": caption, "seed": 0, "truncation": 0.0}

        def example(name: str) -> tf.Tensor:
            specification = self._specification(name)
            if name in values:
                return tf.constant([values[name]], specification.dtype)
            return tf.zeros([1, *specification.shape[1:]], specification.dtype)

        return {
            signature: {name: example(name) for name in inputs}
            for signature, inputs in self.inputs.items()
        }

    def _method(self, name: str) -> Callable[..., Outputs]:
        return getattr(self, name)

    def _specification(self, name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None], INPUT_TYPES[name], name)


class CaptionSignatures(Signatures):
    """A sampler of captions."""

    inputs: ClassVar = {
        "serving_default": ("caption",),
        "generate": ("caption", "seed", "truncation"),
        "pixels": ("caption", "seed", "truncation"),
        "embed": ("caption",),
        "draw": ("sentence", "seed", "truncation"),
    }

    def __init__(self, sampler: Sampler) -> None:
        """Wraps a sampler."""
        super().__init__(name="signatures")
        self.sampler = sampler

    def serving_default(self, caption: tf.Tensor) -> Outputs:
        """Draws captions with fresh seeds, and sends the seeds back."""
        seed = fresh_seeds(caption)
        model_default = tf.zeros(tf.shape(caption), tf.float32)
        return {**self.generate(caption, seed, model_default), "seed": seed}

    def generate(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws captions with given seeds, as PNG."""
        return {
            "image_bytes": encode_png(self.sampler.pixels(caption, seed, truncation)),
            "unknown_words": self.sampler.unknown_words(caption),
        }

    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws captions with given seeds, as uint8 pixels."""
        return {"image": self.sampler.pixels(caption, seed, truncation)}

    def embed(self, caption: tf.Tensor) -> Outputs:
        """Encodes captions."""
        return {"sentence": self.sampler.embed(caption)}

    def draw(self, sentence: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws encoded captions, mixed or not, as PNG."""
        return {"image_bytes": encode_png(self.sampler.draw(sentence, seed, truncation))}

    def _specification(self, name: str) -> tf.TensorSpec:
        if name == "sentence":
            return tf.TensorSpec([None, self.sampler.sentence_size], tf.float32, name)
        return super()._specification(name)


class UnconditionalSignatures(Signatures):
    """A sampler without captions."""

    inputs: ClassVar = {
        "serving_default": ("seed",),
        "generate": ("seed", "truncation"),
        "pixels": ("seed", "truncation"),
    }

    def __init__(self, sampler: UnconditionalSampler) -> None:
        """Wraps a sampler."""
        super().__init__(name="signatures")
        self.sampler = sampler

    def serving_default(self, seed: tf.Tensor) -> Outputs:
        """Draws seeds with the model's truncation, and sends the seeds back."""
        return {**self.generate(seed, tf.zeros(tf.shape(seed), tf.float32)), "seed": seed}

    def generate(self, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws seeds, as PNG."""
        return {"image_bytes": encode_png(self.sampler.pixels(seed, truncation))}

    def pixels(self, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws seeds, as uint8 pixels."""
        return {"image": self.sampler.pixels(seed, truncation)}


class JointSignatures(Signatures):
    """A sampler that draws pictures and writes their texts, where no text is given."""

    inputs: ClassVar = {
        "serving_default": ("caption",),
        "generate": ("caption", "seed", "truncation"),
        "pixels": ("caption", "seed", "truncation"),
    }

    def __init__(self, sampler: JointSampler) -> None:
        """Wraps a sampler."""
        super().__init__(name="signatures")
        self.sampler = sampler

    def serving_default(self, caption: tf.Tensor) -> Outputs:
        """Draws and writes with fresh seeds, and sends the seeds back."""
        seed = fresh_seeds(caption)
        model_default = tf.zeros(tf.shape(caption), tf.float32)
        return {**self.generate(caption, seed, model_default), "seed": seed}

    def generate(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws with given seeds, as PNG, and writes."""
        image, text = self.sampler.draw(caption, seed, truncation)
        unknown_words = self.sampler.unknown_words(caption)
        return {"image_bytes": encode_png(image), "text": text, "unknown_words": unknown_words}

    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Draws with given seeds, as uint8 pixels, and writes."""
        image, text = self.sampler.draw(caption, seed, truncation)
        return {"image": image, "text": text}


def make_signatures(sampler: AnySampler) -> Signatures:
    """Puts a sampler behind the signatures of its kind."""
    if isinstance(sampler, UnconditionalSampler):
        return UnconditionalSignatures(sampler)
    if isinstance(sampler, JointSampler):
        return JointSignatures(sampler)
    return CaptionSignatures(sampler)


def fresh_seeds(like: tf.Tensor) -> tf.Tensor:
    """Draws seeds int64 [B], as many as `like` has rows."""
    # This op, with both seeds 0, is reached by no global seed: an export has no fixed "fresh".
    return tf.raw_ops.RandomUniformInt(
        shape=tf.shape(like),
        minval=tf.constant(0, tf.int64),
        maxval=tf.constant(SEEDS, tf.int64),
        seed=0,
        seed2=0,
    )


def encode_png(images: tf.Tensor) -> tf.Tensor:
    """Encodes images uint8 [B, H, W, C] as PNG: string [B]."""
    specification = tf.TensorSpec([], tf.string)
    return tf.map_fn(tf.io.encode_png, images, fn_output_signature=specification)
