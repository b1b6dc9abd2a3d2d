"""Image encoders of matching models: an image to region features and one code."""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import DType
from tfgan2.models.matching.options import MatchingOptions

GRID = 8
MOST_CHANNELS = 256
INCEPTION_SIDE_PX = 299
REGIONS_LAYER, CODE_LAYER = "mixed7", "mixed10"


class SmallImageEncoder(keras.Model):
    """Convolutions down to an 8x8 grid of regions, and two more to the code of the image."""

    def __init__(
        self,
        options: MatchingOptions,
        *,
        image_channels: int,
        with_regions: bool = True,
        dtype: DType = "float32",
    ) -> None:
        """Builds the encoder.

        Args:
          options: options of the matching model. Each halving of the size doubles the channels, up
            to 256. The code and the features of a region are as long as a sentence embedding.
          image_channels: 1 or 3.
          with_regions: whether to return region features besides the code.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="image_encoder", dtype=dtype)
        base, code_size = options.image_encoder_channels, options.sentence_size
        halvings = (options.image_size // GRID).bit_length() - 1
        widths = [min(base * 2**number, MOST_CHANNELS) for number in range(halvings + 3)]
        self.to_grid = [_convolution(width, dtype=dtype) for width in widths[: halvings + 1]]
        self.to_code = [_convolution(width, dtype=dtype) for width in widths[halvings + 1 :]]
        self.regions = _region_layer(code_size, dtype=dtype) if with_regions else None
        self.code = keras.layers.Dense(code_size, dtype=dtype)
        self(tf.zeros([1, options.image_size, options.image_size, image_channels]))

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Encodes images, float32 [B, S, S, C] in [-1, 1].

        Returns:
          Region features, float32 [B, 64, code_size] or None, and codes, float32 [B, code_size].
        """
        first, *later = self.to_grid
        features = first(tf.cast(images, self.compute_dtype), training=training)
        for convolution in later:
            features = convolution(tf.nn.max_pool2d(features, 2, 2, "VALID"), training=training)
        regions = None if self.regions is None else _flat(self.regions(features))
        for convolution in self.to_code:
            features = convolution(tf.nn.max_pool2d(features, 2, 2, "VALID"), training=training)
        code = self.code(tf.reduce_mean(features, axis=[1, 2]))
        return regions, tf.cast(code, tf.float32)


class InceptionImageEncoder(keras.Model):
    """Frozen Inception-v3 of Keras, with trained linear maps of its regions and its last layer.

    Source: Xu et al. 2018, "AttnGAN", section 3.2: the regions are the positions of the last 17x17
    layer.
    """

    def __init__(
        self, *, code_size: int, with_regions: bool = True, dtype: DType = "float32"
    ) -> None:
        """Builds the encoder with new weights, also for Inception.

        Args:
          code_size: length of a region's features and of the code.
          with_regions: whether to return region features besides the code.
          dtype: dtype policy of the trained layers; Inception computes in float32.
        """
        super().__init__(name="image_encoder", dtype=dtype)
        inception = keras.applications.InceptionV3(include_top=False, weights=None)
        outputs = [inception.get_layer(name).output for name in (REGIONS_LAYER, CODE_LAYER)]
        self.inception = keras.Model(inception.input, outputs)
        self.inception.trainable = False
        self.regions = _region_layer(code_size, dtype=dtype) if with_regions else None
        self.code = keras.layers.Dense(code_size, dtype=dtype)
        self(tf.zeros([1, INCEPTION_SIDE_PX, INCEPTION_SIDE_PX, 3]))

    def call(self, images: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Encodes images, float32 [B, S, S, C] in [-1, 1]; a grey channel is repeated three times.

        Returns:
          Region features, float32 [B, 289, code_size] or None, and codes, float32 [B, code_size].
        """
        side = [INCEPTION_SIDE_PX, INCEPTION_SIDE_PX]
        images = tf.image.resize(tf.cast(images, tf.float32), side)
        images = tf.repeat(images, 3 // images.shape[-1], axis=-1)
        features, whole = self.inception(images, training=False)
        regions = None if self.regions is None else _flat(self.regions(features))
        code = self.code(tf.reduce_mean(whole, axis=[1, 2]))
        return regions, tf.cast(code, tf.float32)


def _convolution(channels: int, *, dtype: DType) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, dtype=dtype),
            keras.layers.BatchNormalization(synchronized=True, dtype=dtype),
            keras.layers.ReLU(dtype=dtype),
        ]
    )


def _region_layer(size: int, *, dtype: DType) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(size, 1, use_bias=False, dtype=dtype)


def _flat(regions: tf.Tensor) -> tf.Tensor:
    """Flattens regions [B, H, W, D] to float32 [B, H * W, D]."""
    _, height, width, size = regions.shape
    return tf.cast(tf.reshape(regions, [-1, height * width, size]), tf.float32)
