"""The U-Net discriminator: one logit for the image, and one logit for every pixel.

At 256 px with 64 base channels, three image channels and sentence embeddings of 256, the feature
extractor has 44,066,496 trainable parameters and 12,096 moving statistics, the head 279,618 and
1,089.

Source: Schoenfeld et al. 2020, "A U-Net Based Discriminator for Generative Adversarial Networks",
with a projection of the sentence embedding instead of the class embedding.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.spectral import SpectralConvolution, SpectralDense
from tfgan2.models.layers.blocks import DType, upsample

BOTTLENECK_SIDE_PX = 4
# Published are 256 and 128 px; smaller images leave out the last stages of 128 px.
ENCODER_WIDTHS = {
    16: (1, 2),
    32: (1, 2, 4),
    64: (1, 2, 4, 8),
    128: (1, 2, 4, 8, 16),
    256: (1, 2, 4, 8, 8, 16),
}


class EncoderBlock(keras.layers.Layer):
    """A shortcut plus two convolutions, then average pooling to half the size (DBlock).

    Args:
      channels: channels of the output.
      activated: whether a ReLU precedes the first convolution; false for an image as the input.
      dtype: dtype policy of the layers.
    """

    def __init__(self, channels: int, *, activated: bool, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.activated = activated
        self.convolutions = [_convolution(channels, 3, dtype=dtype) for _ in range(2)]
        self.shortcut = _convolution(channels, 1, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, H, W, C] to [B, H/2, W/2, channels]."""
        first, second = self.convolutions
        residual = first(tf.nn.relu(features) if self.activated else features, training=training)
        residual = second(tf.nn.relu(residual), training=training)
        # Pooling commutes with the 1x1 convolution; after pooling it costs a quarter.
        return _pool(residual) + self.shortcut(_pool(features), training=training)


class DecoderBlock(keras.layers.Layer):
    """2x upsampling, then a shortcut plus two convolutions (GBlock2).

    Args:
      channels: channels of the output.
      dtype: dtype policy of the layers.
    """

    def __init__(self, channels: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [_convolution(channels, 3, dtype=dtype) for _ in range(2)]
        self.shortcut = _convolution(channels, 1, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, H, W, C] to [B, 2H, 2W, channels]."""
        first, second = self.convolutions
        residual = first(upsample(tf.nn.relu(features)), training=training)
        residual = second(tf.nn.relu(residual), training=training)
        # Nearest upsampling commutes with the 1x1 convolution; before it that costs a quarter.
        return residual + upsample(self.shortcut(features, training=training))


class UNetFeatures(keras.Model):
    """The discriminator's feature extractor: an image to image features and pixel features.

    Attributes:
      bottleneck_channels: channels of the image features.
      pixel_channels: channels of the pixel features.
    """

    def __init__(
        self,
        *,
        image_size: int,
        image_channels: int,
        base_channels: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the network.

        The encoder halves the size down to 4 px, the decoder doubles it again. Each decoder block
        but the first gets the previous block's features and the encoder's features of the same
        size. Up to 128 px every encoder block doubles the channels; at 256 px, the last but one
        does not. The decoder has the channels of the encoder in reverse order.

        Args:
          image_size: image side in px, a power of two from 16 to 256; published: 128 and 256.
          image_channels: 1 or 3.
          base_channels: channels at full size (published: 64); the last of `ENCODER_WIDTHS` is
            their factor at 4 px.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="unet_features", dtype=dtype)
        channels = [base_channels * width for width in ENCODER_WIDTHS[image_size]]
        self.bottleneck_channels, self.pixel_channels = channels[-1], channels[0]
        self.encoder = [
            EncoderBlock(channels_out, activated=number > 0, dtype=dtype)
            for number, channels_out in enumerate(channels)
        ]
        self.decoder = [
            DecoderBlock(channels_out, dtype=dtype)
            for channels_out in [*channels[-2::-1], base_channels]
        ]
        self(tf.zeros([1, image_size, image_size, image_channels]))

    @property
    def down_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block, from the image side."""
        return [[block] for block in self.encoder]

    def call(self, images: tf.Tensor, training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Extracts the features of images.

        Args:
          images: float32 [B, S, S, C] in [-1, 1].
          training: whether to store the results of this call's power iterations; None: no.

        Returns:
          Image features [B, 4, 4, bottleneck_channels], not negative, and pixel features
          [B, S, S, pixel_channels], both in the policy's compute dtype.
        """
        features = tf.cast(images, self.compute_dtype)
        by_size = []
        for block in self.encoder:
            features = block(features, training=training)
            by_size.append(features)
        bottleneck = tf.nn.relu(by_size.pop())
        for block in self.decoder:
            features = block(features, training=training)
            if by_size:
                features = tf.concat([features, by_size.pop()], axis=-1)
        return bottleneck, features


class UNetHead(keras.Model):
    """The discriminator's head: projections of image and pixel features on a sentence embedding.

    Source: Miyato and Koyama 2018, "cGANs with Projection Discriminator", section 3, with a
      linear map of the sentence embedding instead of the class embedding.
    """

    def __init__(
        self,
        *,
        bottleneck_channels: int,
        pixel_channels: int,
        sentence_size: int,
        dtype: DType = "float32",
    ) -> None:
        """Builds the head.

        Args:
          bottleneck_channels: channels of the image features.
          pixel_channels: channels of the pixel features.
          sentence_size: length of a sentence embedding.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="unet_head", dtype=dtype)
        self.image = SpectralDense(1, dtype=dtype)
        self.pixel = keras.layers.Conv2D(1, 1, kernel_initializer="orthogonal", dtype=dtype)
        # No biases: `image` and `pixel` already give the unconditional terms.
        self.image_sentence = SpectralDense(bottleneck_channels, use_bias=False, dtype=dtype)
        self.pixel_sentence = SpectralDense(pixel_channels, use_bias=False, dtype=dtype)
        side = BOTTLENECK_SIDE_PX
        bottleneck = tf.zeros([1, side, side, bottleneck_channels])
        pixels = tf.zeros([1, side, side, pixel_channels])
        self((bottleneck, pixels), tf.zeros([1, sentence_size]))

    def call(
        self,
        features: tuple[tf.Tensor, tf.Tensor],
        sentence: tf.Tensor,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the conditional logits of images and pixels.

        Args:
          features: features, as `UNetFeatures` returns.
          sentence: sentence embeddings; float32 [B, sentence_size].
          training: whether to store the results of this call's power iterations; None: no.

        Returns:
          Logits of the images, float32 [B], and of their pixels, float32 [B, S, S].
        """
        bottleneck, pixels = features
        # Logit of the image: projection plus unconditional term.
        image = tf.reduce_sum(tf.cast(bottleneck, tf.float32), axis=[1, 2])
        of_image = self.image_sentence(sentence, training=training)
        match = tf.reduce_sum(image * tf.cast(of_image, tf.float32), axis=1)
        unconditional = tf.cast(self.image(image, training=training)[:, 0], tf.float32)

        # Logit of every pixel, likewise.
        pixels = tf.cast(pixels, self.compute_dtype)
        of_pixels = self.pixel_sentence(sentence, training=training)[:, tf.newaxis, tf.newaxis, :]
        pixel_match = tf.reduce_sum(tf.cast(pixels * of_pixels, tf.float32), axis=-1)
        pixel_unconditional = tf.cast(self.pixel(pixels)[..., 0], tf.float32)
        return match + unconditional, pixel_match + pixel_unconditional


def _convolution(channels: int, size: int, *, dtype: DType) -> SpectralConvolution:
    return SpectralConvolution(channels, size, padding="same", dtype=dtype)


def _pool(features: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(features, 2, 2, "VALID")
