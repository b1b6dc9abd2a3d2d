"""The networks of GAN-CLS: generator, and discriminator as feature extractor and head.

Source: Reed et al. 2016, "Generative Adversarial Text to Image Synthesis", figure 2, in three forms
of published code: `torch` and `torch_int`, main_cls and main_cls_int of
https://github.com/reedscot/icml2016, which have the same generator; and `tensorlayer`, the residual
networks of https://github.com/zsdonghao/text-to-image.

The published size is 64 px. Other sizes have more or fewer layers that double or halve the side;
all sizes have the same channels next to the image, and the channels double towards 4 px.

The convolutions of the Torch forms have no bias: the published code sets biases to 0 before every
step.
"""

import functools

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.gan_cls.options import GANCLSOptions
from tfgan2.models.layers.blocks import FIRST_SIDE_PX, DType, dense, leaky_relu
from tfgan2.models.layers.gan_cls_blocks import (
    JointLogit,
    Residual,
    Start,
    batch_normalization,
    channels_by_halving,
    doubling,
    down_blocks,
    normal_dense,
    transposed_doubling,
    up_blocks,
)

# Number of last convolutions of the discriminator without activation.
LINEAR_END = {"torch": 1, "torch_int": 2, "tensorlayer": 1}


def text_layer(units: int, *, form: str, dtype: DType) -> keras.layers.Dense:
    """Builds the layer that reduces a sentence embedding; Torch has its own initializer."""
    make = normal_dense if form == "tensorlayer" else dense
    return make(units, dtype=dtype)


class Generator(keras.Model):
    """Maps a latent and a sentence embedding to an image.

    With 128 channels, latents of 100, and sentence embeddings of 1024 reduced to 256, the Torch
    forms for 64 px have 21,142,272 parameters, of which 8,448 are moving statistics.
    """

    def __init__(
        self, options: GANCLSOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of GAN-CLS. Published are 128 base channels, which must be a multiple of
            4, and a `text_size` of 256 in `torch`, 128 in the other forms.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="generator", dtype=dtype)
        form = options.generator_form
        transposed = form != "tensorlayer"
        channels = channels_by_halving(options.generator_channels, options.image_size)[::-1]

        double = functools.partial(transposed_doubling if transposed else doubling, dtype=dtype)
        residual = functools.partial(Residual, bottleneck=True, activation=tf.nn.relu, dtype=dtype)
        self.text = text_layer(options.text_size, form=form, dtype=dtype)
        self.start = Start(channels[0], by_channel=transposed, dtype=dtype)
        self.blocks = up_blocks(channels, double=double, residual=residual, dtype=dtype)
        self.to_image = (
            transposed_doubling(image_channels, dtype=dtype)
            if transposed
            else doubling(image_channels, use_bias=True, dtype=dtype)
        )
        self(tf.zeros([1, options.latent_size]), tf.zeros([1, options.sentence_size]))

    @property
    def first(self) -> keras.layers.Dense:
        """The layer whose input is the latent."""
        return self.start.dense

    def call(
        self, latent: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Generates images.

        Args:
          latent: float32 [B, latent_size].
          sentence: sentence embeddings; float32 [B, sentence_size].
          training: whether batch normalization uses batch statistics and updates its moving
            statistics.

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1].
        """
        latent = tf.cast(latent, self.compute_dtype)
        text = leaky_relu(self.text(tf.cast(sentence, self.compute_dtype)))
        features = self.start(tf.concat([latent, text], axis=1), training=training)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.tanh(tf.cast(self.to_image(features), tf.float32))


class ImageFeatures(keras.Model):
    """The discriminator's feature extractor: an image to 4x4 feature maps.

    With 64 channels, the Torch forms for 64 px have 3,565,056 parameters, of which 3,328 are moving
    statistics.
    """

    def __init__(
        self, options: GANCLSOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the network.

        Args:
          options: options of GAN-CLS; published are 64 base channels, which must be an even number.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="image_features", dtype=dtype)
        form, batch_norm = options.discriminator_form, options.discriminator_batch_norm
        channels = channels_by_halving(options.discriminator_channels, options.image_size)
        self.feature_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, channels[-1])
        self.blocks = [
            *down_blocks(
                channels,
                linear_end=LINEAR_END[form],
                first_bias=form == "tensorlayer",
                batch_norm=batch_norm,
                dtype=dtype,
            ),
            Residual(
                channels[-1],
                bottleneck=True,
                activation=leaky_relu,
                batch_norm=batch_norm,
                dtype=dtype,
            ),
        ]
        self.halvings = len(channels)
        self(tf.zeros([1, options.image_size, options.image_size, image_channels]))

    @property
    def down_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block, from the image side."""
        return [[block] for block in self.blocks[: self.halvings]]

    def call(self, image: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps images, float32 [B, S, S, C] in [-1, 1], to features [B, 4, 4, D]."""
        features = tf.cast(image, self.compute_dtype)
        for block in self.blocks:
            features = block(features, training=training)
        return features


class Head(keras.Model):
    """The discriminator's head: image features and a sentence embedding to a logit."""

    def __init__(
        self,
        options: GANCLSOptions,
        *,
        feature_shape: tuple[int, int, int],
        dtype: DType = "float32",
    ) -> None:
        """Builds the head.

        Args:
          options: options of GAN-CLS.
          feature_shape: height, width and channels of the features; height equals width.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="head", dtype=dtype)
        form, batch_norm = options.discriminator_form, options.discriminator_batch_norm
        conditional = options.discriminator_text
        self.text = text_layer(options.text_size, form=form, dtype=dtype) if conditional else None
        normalizes_text = conditional and batch_norm and form == "torch_int"
        self.normalization = batch_normalization(dtype=dtype) if normalizes_text else None
        self.joint = JointLogit(
            feature_shape,
            size=1,
            logit_bias=form == "tensorlayer",
            batch_norm=batch_norm,
            dtype=dtype,
        )
        self(tf.zeros([1, *feature_shape]), tf.zeros([1, options.sentence_size]))

    def call(
        self, features: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Logits, float32 [B], of features [B, 4, 4, D] and sentence embeddings [B, E]."""
        features = tf.cast(features, self.compute_dtype)
        if self.text is None:
            return self.joint(features, None, training=training)
        text = self.text(tf.cast(sentence, self.compute_dtype))
        if self.normalization is not None:
            text = self.normalization(text, training=training)
        return self.joint(features, leaky_relu(text), training=training)
