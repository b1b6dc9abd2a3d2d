"""Networks of auto-write."""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.auto_write.options import AutoWriteOptions
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.minibatch_deviation import with_deviation

SIDE_PX = 28
ENLARGED_PX = 2 * SIDE_PX
DISCRIMINATOR_CHANNELS, DISCRIMINATOR_UNITS = (32, 64), 1024


class Generator(keras.Model):
    """Maps a latent to an image in [0, 1]; features are enlarged to 56 px and halved three times.

    With a latent of 100 and one image channel: 328,765 parameters, of which 152 are moving
    statistics and 76 are offsets of batch normalizations; `faithful` has no offsets.
    """

    def __init__(
        self, options: AutoWriteOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of auto-write. `faithful`: batch normalizations have no offsets, which
            the notebook never trains.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="generator", dtype=dtype)
        first_channels, faithful = options.first_channels, options.faithful
        second_channels = options.second_channels or options.latent_size // 2

        def normalization() -> keras.layers.BatchNormalization:
            return keras.layers.BatchNormalization(
                epsilon=1e-5, scale=False, center=not faithful, synchronized=True, dtype=dtype
            )

        def convolution(
            channels: int, size: int, *, stride: int = 1, start: keras.initializers.Initializer
        ) -> keras.layers.Conv2D:
            return keras.layers.Conv2D(
                channels,
                size,
                strides=stride,
                padding="same",
                kernel_initializer=start,
                bias_initializer=near_zero(),
                dtype=dtype,
            )

        self.latent_signs = options.latent_signs
        self.first_shape = (ENLARGED_PX, ENLARGED_PX, first_channels)
        self.first = keras.layers.Dense(
            ENLARGED_PX**2 * first_channels,
            kernel_initializer=near_zero(),
            bias_initializer=near_zero(),
            dtype=dtype,
        )
        self.convolutions = [
            convolution(channels, 3, stride=2, start=near_zero())
            for channels in (second_channels, second_channels // 2)
        ]
        self.normalizations = [normalization() for _ in range(3)]
        start = near_zero() if faithful else keras.initializers.HeNormal()
        self.last = convolution(image_channels, 1, start=start)
        self(tf.zeros([1, options.latent_size]))

    def call(self, latent: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps latents [B, latent_size] to images, float32 [B, 28, 28, C] in [0, 1]."""
        if self.latent_signs:
            signs, values = latent[:, : self.latent_signs], latent[:, self.latent_signs :]
            latent = tf.concat([tf.sign(signs), values], axis=1)
        features = self.first(tf.cast(latent, self.compute_dtype))
        features = tf.reshape(features, [-1, *self.first_shape])
        features = tf.nn.relu(self.normalizations[0](features, training=training))
        for convolution, normalization in zip(
            self.convolutions, self.normalizations[1:], strict=True
        ):
            features = tf.nn.relu(normalization(convolution(features), training=training))
            features = tf.image.resize(features, [ENLARGED_PX, ENLARGED_PX])
            features = tf.cast(features, self.compute_dtype)
        # Stride of the 1x1 convolution: on CPUs, TensorFlow 2.20's gradient of such a convolution
        # with stride 2 and fewer than 16 channels writes outside its memory.
        features = tf.nn.avg_pool2d(features, 1, 2, "VALID")
        return tf.sigmoid(tf.cast(self.last(features), tf.float32))


class Discriminator(keras.Model):
    """Maps an image to a logit; 3,265,409 parameters for one image channel."""

    def __init__(
        self,
        *,
        image_channels: int,
        minibatch_group: int = 0,
        dtype: DType = "float32",
    ) -> None:
        """Builds the discriminator.

        Args:
          image_channels: 1 or 3.
          minibatch_group: group size, in rows, of the minibatch standard deviation; 0: off.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="discriminator", dtype=dtype)
        self.minibatch_group = minibatch_group
        self.convolutions = [
            keras.layers.Conv2D(
                channels, 5, padding="same", kernel_initializer=near_zero(), dtype=dtype
            )
            for channels in DISCRIMINATOR_CHANNELS
        ]
        self.flatten = keras.layers.Flatten(dtype=dtype)
        self.hidden = keras.layers.Dense(
            DISCRIMINATOR_UNITS, kernel_initializer=near_zero(), dtype=dtype
        )
        self.logit = keras.layers.Dense(1, kernel_initializer=near_zero(), dtype=dtype)
        self(tf.zeros([1, SIDE_PX, SIDE_PX, image_channels]))

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Logits, float32 [B], of images, [B, 28, 28, C] in [0, 1]."""
        features = tf.cast(image, self.compute_dtype)
        for convolution in self.convolutions:
            features = tf.nn.avg_pool2d(tf.nn.relu(convolution(features)), 2, 2, "VALID")
        features = with_deviation(features, group=self.minibatch_group)
        logit = self.logit(tf.nn.relu(self.hidden(self.flatten(features))))
        return tf.cast(logit[:, 0], tf.float32)


def near_zero() -> keras.initializers.Initializer:
    """The published initializer: normal with deviation 0.02, truncated at two deviations."""
    return keras.initializers.TruncatedNormal(stddev=0.02)
