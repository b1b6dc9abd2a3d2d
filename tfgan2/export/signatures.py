"""Signatures of a SavedModel: inputs and outputs for clients."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import tensorflow as tf

from tfgan2.adversarial.sampler import AnySampler

SEEDS = 2**31
Outputs: TypeAlias = dict[str, tf.Tensor]
# Dtypes of the inputs, without the batch dimension; the size of `sentence` depends on the model.
INPUT_TYPES = {"caption": tf.string, "seed": tf.int64, "truncation": tf.float32}


class Signatures(tf.Module, abc.ABC):
    """Wraps a sampler in signatures; all inputs have a batch dimension.

    Attributes:
      inputs: names of the inputs by signature; a signature has the name of its method.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, sampler: Any) -> None:
        """Wraps a sampler."""
        super().__init__(name="signatures")
        self.sampler = sampler

    def functions(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """Returns the function of every signature, with shapes and dtypes of its inputs."""
        return {
            name: tf.function(
                getattr(self, name),
                input_signature=[self._specification(it) for it in inputs],
                autograph=False,
            )
            for name, inputs in self.inputs.items()
        }

    def examples(self, *, caption: str) -> dict[str, dict[str, tf.Tensor]]:
        """Returns by signature one row of inputs: the caption, seed 0, default truncation."""
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

    def _specification(self, name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None], INPUT_TYPES[name], name)


class CaptionSignatures(Signatures):
    """Signatures of a sampler that reads captions."""

    inputs: ClassVar = {
        "serving_default": ("caption",),
        "generate": ("caption", "seed", "truncation"),
        "pixels": ("caption", "seed", "truncation"),
        "embed": ("caption",),
        "draw": ("sentence", "seed", "truncation"),
    }

    def __init__(self, sampler: Any) -> None:
        """Wraps a sampler."""
        super().__init__(sampler)
        # One trace for all signatures, and one tokenization in each call.
        self._encode = tf.function(
            self._encode_once, input_signature=[self._specification("caption")], autograph=False
        )

    def serving_default(self, caption: tf.Tensor) -> Outputs:
        """Generates images of captions with random seeds; returns the seeds too."""
        seed = fresh_seeds(caption)
        model_default = tf.zeros(tf.shape(caption), tf.float32)
        return {**self.generate(caption, seed, model_default), "seed": seed}

    def generate(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images of captions with given seeds, as PNG."""
        encoded = self._encode(caption)
        return {
            **self.draw(encoded["sentence"], seed, truncation),
            "unknown_words": encoded["unknown_words"],
        }

    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images of captions with given seeds, as uint8 pixels."""
        return {"image": self.sampler.draw(self._encode(caption)["sentence"], seed, truncation)}

    def embed(self, caption: tf.Tensor) -> Outputs:
        """Encodes captions as sentence embeddings float32 [B, D]."""
        return {"sentence": self._encode(caption)["sentence"]}

    def draw(self, sentence: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images of sentence embeddings, which may be interpolated, as PNG."""
        return {"image_bytes": encode_png(self.sampler.draw(sentence, seed, truncation))}

    def _encode_once(self, caption: tf.Tensor) -> Outputs:
        tokens = self.sampler.tokenizer(caption)
        sentence = self.sampler.text_encoder(tokens)
        return {"sentence": sentence, "unknown_words": tokens["unknown_words"]}

    def _specification(self, name: str) -> tf.TensorSpec:
        if name == "sentence":
            return tf.TensorSpec([None, self.sampler.sentence_size], tf.float32, name)
        return super()._specification(name)


class UnconditionalSignatures(Signatures):
    """Signatures of an unconditional sampler."""

    inputs: ClassVar = {
        "serving_default": ("seed",),
        "generate": ("seed", "truncation"),
        "pixels": ("seed", "truncation"),
    }

    def serving_default(self, seed: tf.Tensor) -> Outputs:
        """Generates images of seeds with the default truncation; returns the seeds too."""
        return {**self.generate(seed, tf.zeros(tf.shape(seed), tf.float32)), "seed": seed}

    def generate(self, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images of seeds, as PNG."""
        return {"image_bytes": encode_png(self.sampler.pixels(seed, truncation))}

    def pixels(self, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images of seeds, as uint8 pixels."""
        return {"image": self.sampler.pixels(seed, truncation)}


class JointSignatures(CaptionSignatures):
    """Signatures of a joint sampler; generates images, and a text for an empty caption."""

    inputs: ClassVar = {
        "serving_default": ("caption",),
        "generate": ("caption", "seed", "truncation"),
        "pixels": ("caption", "seed", "truncation"),
    }

    def generate(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images with given seeds, as PNG, and texts."""
        image, text = self.sampler.draw(caption, seed, truncation)
        unknown_words = self.sampler.unknown_words(caption)
        return {"image_bytes": encode_png(image), "text": text, "unknown_words": unknown_words}

    def pixels(self, caption: tf.Tensor, seed: tf.Tensor, truncation: tf.Tensor) -> Outputs:
        """Generates images with given seeds, as uint8 pixels, and texts."""
        image, text = self.sampler.draw(caption, seed, truncation)
        return {"image": image, "text": text}


# By the conditioning input of the sampler.
SIGNATURES: dict[str | None, type[Signatures]] = {
    "captions": CaptionSignatures,
    "texts": JointSignatures,
    None: UnconditionalSignatures,
}


def make_signatures(sampler: AnySampler) -> Signatures:
    """Makes the signatures that fit the conditioning input of the sampler."""
    return SIGNATURES[sampler.reads](sampler)


def fresh_seeds(like: tf.Tensor) -> tf.Tensor:
    """Draws random seeds int64 [B], one per row of `like`."""
    # With both seeds 0, no global seed has an effect: exports draw new seeds in every process.
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
