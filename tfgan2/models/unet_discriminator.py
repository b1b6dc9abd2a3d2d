"""The U-Net discriminator: a logit for the image, and one for each of its pixels.

At 256 px with 64 base channels, three image channels and sentences of 256, the features have
44,066,496 trained parameters and the head 279,618, beside 12,096 and 1,089 moving ones.

Source: Schoenfeld et al. 2020, "A U-Net Based Discriminator for Generative Adversarial Networks",
with a projection of the sentence in the place of that of the class.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.spectral import SpectralConvolution, SpectralDense
from tfgan2.models.blocks import DType, upsample

BOTTLENECK_SIDE_PX = 4
# Of the published sizes, 256 and 128 px; smaller images leave out the last stages of 128 px.
ENCODER_WIDTHS = {
    16: (1, 2),
    32: (1, 2, 4),
    64: (1, 2, 4, 8),
    128: (1, 2, 4, 8, 16),
    256: (1, 2, 4, 8, 8, 16),
}


class EncoderBlock(keras.layers.Layer):
    """Two convolutions added to a shortcut, then half the size (DBlock).

    Args:
      channels: of what goes out.
      activated: whether the convolutions see a ReLU of what comes in; not where that is an image.
      dtype: policy of its layers.
    """

    def __init__(self, channels: int, *, activated: bool, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.activated = activated
        self.convolutions = [SpectralConvolution(channels, 3, dtype=dtype) for _ in range(2)]
        self.shortcut = SpectralConvolution(channels, 1, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Turns [B, H, W, C] into [B, H/2, W/2, channels]."""
        first, second = self.convolutions
        residual = first(tf.nn.relu(features) if self.activated else features, training=training)
        residual = second(tf.nn.relu(residual), training=training)
        # Pooling commutes with the 1x1 convolution, which then has a quarter of the work.
        return _pool(residual) + self.shortcut(_pool(features), training=training)


class DecoderBlock(keras.layers.Layer):
    """Twice the size, then two convolutions added to a shortcut (GBlock2).

    Args:
      channels: of what goes out.
      dtype: policy of its layers.
    """

    def __init__(self, channels: int, *, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [SpectralConvolution(channels, 3, dtype=dtype) for _ in range(2)]
        self.shortcut = SpectralConvolution(channels, 1, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Turns [B, H, W, C] into [B, 2H, 2W, channels]."""
        first, second = self.convolutions
        residual = first(upsample(tf.nn.relu(features)), training=training)
        residual = second(tf.nn.relu(residual), training=training)
        # Repetition commutes with the 1x1 convolution, which then has a quarter of the work.
        return residual + upsample(self.shortcut(features, training=training))


class UNetFeatures(keras.Model):
    """Image to features of the whole and of every pixel: the discriminator's eye.

    Attributes:
      bottleneck_channels: of the features of the whole.
      pixel_channels: of those of the pixels.
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

        The encoder halves the image down to 4 px, the decoder doubles it again; each of its blocks
        but the first sees the encoder's features of its size beside those of the block before. Up
        to 128 px every block of the encoder has twice the channels of the one before; at 256 px,
        the last but one does not. Widths of the decoder are those of the encoder backwards.

        Args:
          image_size: side in pixels, a power of two from 16 to 256; published: 128 and 256.
          image_channels: 1 or 3.
          base_channels: channels at full size (published: 64); at 4 px there are as many times more
            as the last of `ENCODER_WIDTHS`.
          dtype: policy of its layers.
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

    def call(self, images: tf.Tensor, training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks at images.

        Args:
          images: float32 [B, S, S, C] in [-1, 1].
          training: whether the estimates of the singular values improve by this call; None: no.

        Returns:
          Features of the whole [B, 4, 4, bottleneck_channels], not negative, and of the pixels
          [B, S, S, pixel_channels], both of the policy's type.
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
    """From those features and a sentence to logits: a projection at both ends.

    Source: Miyato and Koyama 2018, "cGANs with Projection Discriminator", section 3, with a
      linear map of the sentence in the place of the class embedding.
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
          bottleneck_channels: of the features of the whole image.
          pixel_channels: of those of the pixels.
          sentence_size: length of a sentence vector.
          dtype: policy of its layers.
        """
        super().__init__(name="unet_head", dtype=dtype)
        self.image = SpectralDense(1, dtype=dtype)
        self.pixel = keras.layers.Conv2D(
            1, 1, kernel_initializer=keras.initializers.Orthogonal(), dtype=dtype
        )
        # Biases would add what `image` and `pixel` can say already.
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
        """Judges images under sentences.

        Args:
          features: what `UNetFeatures` returns.
          sentence: float32 [B, sentence_size].
          training: whether the estimates of the singular values improve by this call; None: no.

        Returns:
          Logits of the images, float32 [B], and of their pixels, float32 [B, S, S].
        """
        bottleneck, pixels = features
        image = tf.reduce_sum(tf.cast(bottleneck, tf.float32), axis=[1, 2])
        of_image = self.image_sentence(sentence, training=training)
        match = tf.reduce_sum(image * tf.cast(of_image, tf.float32), axis=1)
        alone = self.image(image, training=training)[:, 0]

        pixels = tf.cast(pixels, self.compute_dtype)
        of_pixels = self.pixel_sentence(sentence, training=training)[:, tf.newaxis, tf.newaxis, :]
        pixel_match = tf.reduce_sum(tf.cast(pixels * of_pixels, tf.float32), axis=-1)
        pixel_alone = self.pixel(pixels)[..., 0]
        return match + tf.cast(alone, tf.float32), pixel_match + tf.cast(pixel_alone, tf.float32)


def make_unet(
    *,
    image_size: int,
    image_channels: int,
    base_channels: int,
    sentence_size: int,
    extra_channels: int = 0,
    dtype: DType = "float32",
) -> tuple[UNetFeatures, UNetHead]:
    """Makes both halves of the discriminator; the arguments are theirs.

    Between them, features of the whole image may get `extra_channels`.
    """
    features = UNetFeatures(
        image_size=image_size,
        image_channels=image_channels,
        base_channels=base_channels,
        dtype=dtype,
    )
    head = UNetHead(
        bottleneck_channels=features.bottleneck_channels + extra_channels,
        pixel_channels=features.pixel_channels,
        sentence_size=sentence_size,
        dtype=dtype,
    )
    return features, head


def _pool(features: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(features, 2, 2, "VALID")
