"""IMG-TXT's networks: a generator of images and texts, and three discriminators.

Source: the published code https://github.com/dhirajpatnaik16297/IMG-TXT-Generative-Adversarial-Network
for 64 px and one character. Other image sizes change the sizes of the feature maps. A text is a row
of positions with one value per word: high for the word at that position, low for all others.
"""

import math

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.img_txt.options import ImgTxtOptions
from tfgan2.models.layers.blocks import FIRST_SIDE_PX, DType, leaky_relu, tile
from tfgan2.models.layers.conditioning import truncated
from tfgan2.models.layers.gan_cls_blocks import channels_by_halving
from tfgan2.models.layers.heads import ProjectionHead
from tfgan2.models.layers.minibatch_deviation import with_deviation

# Conditions as long as the text or image would need billions of weights for long texts and colour
# photographs; the published conditions are shorter.
LONGEST_TEXT_CODE, LONGEST_IMAGE_CODE = 128, 4096
# Initial log sigma; with sigma 1 the noise would hide a text of ten values.
FIRST_LOG_SIGMA = -2.0
# At 0.9 tanh still has a gradient. With the published 1 the generator saturates the tanh, and then
# cannot unlearn a word.
HIGH_VALUE, FAITHFUL_HIGH_VALUE = 0.9, 1.0


class Texts:
    """Maps ids to texts, the networks' form of texts, and back.

    Texts of a single word need no padding, so they have no value for padding.
    """

    def __init__(self, *, vocabulary_size: int, max_words: int, faithful: bool) -> None:
        """Computes the size of a text.

        Args:
          vocabulary_size: number of ids, padding included.
          max_words: number of positions of a text.
          faithful: whether values are 1 and -1, as published, instead of 0.9 and -0.9.
        """
        self._high = FAITHFUL_HIGH_VALUE if faithful else HIGH_VALUE
        self._padding = int(max_words > 1)
        self.positions, self.values = max_words, vocabulary_size - 1 + self._padding

    @property
    def size(self) -> int:
        """Number of values of a text, over all positions."""
        return self.positions * self.values

    def encode(self, ids: tf.Tensor) -> tf.Tensor:
        """Maps ids, int32 [B, T] with 0 for padding, to texts, float32 [B, size]."""
        positions = tf.one_hot(
            ids - 1 + self._padding, self.values, on_value=self._high, off_value=-self._high
        )
        return tf.reshape(positions, [-1, self.size])

    def decode(self, text: tf.Tensor) -> tf.Tensor:
        """Maps texts [B, size] to ids, int32 [B, T], by the highest value of each position."""
        positions = tf.reshape(text, [-1, self.positions, self.values])
        ids = tf.argmax(positions, axis=2, output_type=tf.int32) + 1 - self._padding
        # Padding ends a text: set all ids after it to 0.
        return ids * tf.math.cumprod(tf.cast(ids > 0, tf.int32), axis=1)


class Condition(keras.Model):
    """Conditioning augmentation: a normal distribution for a given text or image.

    Source: Zhang et al. 2017, "StackGAN", section 3.2. The published code samples with log sigma
    instead of sigma, and applies an activation to log sigma; `faithful` keeps both.
    """

    def __init__(
        self, *, given_size: int, size: int, faithful: bool, name: str, dtype: DType
    ) -> None:
        """Builds the network.

        Args:
          given_size: number of values of the given text or image.
          size: length of the condition.
          faithful: whether samples use log sigma instead of sigma.
          name: name of the input: `text` or `image`.
          dtype: dtype policy of the layer.
        """
        super().__init__(name=f"{name}_condition", dtype=dtype)
        self.size, self.faithful = size, faithful
        self.mean = keras.layers.Dense(size, dtype=dtype)
        self.log_sigma = keras.layers.Dense(
            size,
            bias_initializer="zeros" if faithful else keras.initializers.Constant(FIRST_LOG_SIGMA),
            dtype=dtype,
        )
        self(tf.zeros([1, given_size]))

    def call(self, given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps given texts or images [B, N] to mean and log sigma, each float32 [B, size]."""
        given = tf.cast(given, self.compute_dtype)
        mean, log_sigma = leaky_relu(self.mean(given)), self.log_sigma(given)
        if self.faithful:
            log_sigma = leaky_relu(log_sigma)
        return tf.cast(mean, tf.float32), tf.cast(log_sigma, tf.float32)

    def draw(self, given: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Samples mean + sigma * truncated noise: float32 [B, size].

        Args:
          given: given texts or images [B, N].
          noise: standard normal; float32 [B, size].
        """
        mean, log_sigma = self(given)
        sigma = log_sigma if self.faithful else tf.exp(log_sigma)
        return mean + sigma * truncated(noise)


class Generator(keras.Model):
    """Maps noise, and optionally a given text or image, to an image and its text."""

    def __init__(
        self, options: ImgTxtOptions, *, image_channels: int, texts: Texts, dtype: DType = "float32"
    ) -> None:
        """Builds the generator.

        Args:
          options: options of IMG-TXT; published are 64 px and 64 base channels. `faithful` keeps a
            layer that is unused and never trained, its normalization, log sigma instead of sigma in
            the conditions, and the scale of the conditions.
          image_channels: 1 or 3.
          texts: encoding of texts.
          dtype: dtype policy of the layers.
        """
        # Conditions are sampled in float32, so Keras must not cast the latent.
        super().__init__(name="generator", dtype=dtype, autocast=False)
        self.texts, self.latent_size, self.faithful = texts, options.latent_size, options.faithful
        self.shared_layers = options.shared_layers
        image_shape = (options.image_size, options.image_size, image_channels)

        def condition(name: str, values: int, longest: int) -> Condition:
            size = min(values, longest)
            return Condition(
                given_size=values, size=size, faithful=options.faithful, name=name, dtype=dtype
            )

        self.of_text = condition("text", texts.size, LONGEST_TEXT_CODE)
        self.of_image = condition("image", math.prod(image_shape), LONGEST_IMAGE_CODE)
        many, few = 8 * options.generator_channels, 2 * options.generator_channels
        self.first = keras.layers.Dense(FIRST_SIDE_PX**2 * many, dtype=dtype)
        self.first_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, many)
        self.first_normalization = _normalization(dtype=dtype)
        widths = channels_by_halving(options.generator_channels, options.image_size)
        shapes = [(many, 3, 1), (few, 3, 1), (few, 1, 1)]
        shapes += [(width, 4, 2) for width in widths[-2::-1]]
        self.layers_up = [
            _Normalized(_transposed(*shape, dtype=dtype), batch_norm=True, dtype=dtype)
            for shape in shapes
        ]
        self.second_normalization = _normalization(dtype=dtype) if self.faithful else None
        self.unread = _transposed(many, 4, 2, dtype=dtype) if self.faithful else None
        if self.unread is not None:
            self.unread.build([None, FIRST_SIDE_PX, FIRST_SIDE_PX, few])
            self.unread.trainable = False
        self.to_image = _transposed(image_channels, 4, 2, dtype=dtype)
        self.to_text = keras.layers.Dense(texts.size, dtype=dtype)
        self(
            tf.zeros([1, self.noise_size]),
            text=tf.zeros([1, texts.size]),
            text_given=tf.zeros([1, 1]),
            image=tf.zeros([1, *image_shape]),
            image_given=tf.zeros([1, 1]),
            image_noise=tf.zeros([1, self.of_image.size]),
        )

    @property
    def noise_size(self) -> int:
        """Number of noise values per row without a given image."""
        return self.latent_size + self.of_text.size

    def call(
        self,
        latent: tf.Tensor,
        *,
        text: tf.Tensor,
        text_given: tf.Tensor,
        image: tf.Tensor | None = None,
        image_given: tf.Tensor | None = None,
        image_noise: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates images and texts.

        Args:
          latent: standard normal; float32 [B, noise_size]: the latent, then the noise of the
            text's condition.
          text: given texts; float32 [B, texts.size].
          text_given: float32 [B, 1]; 1: the text is given, 0: the text is ignored.
          image: given images; float32 [B, S, S, C] in [-1, 1]; None: no images.
          image_given: as `text_given`; needed with an image.
          image_noise: standard normal; float32 [B, of_image.size]; needed with an image.
          training: whether batch normalization uses batch statistics and updates its moving
            statistics.

        Returns:
          Images float32 [B, S, S, C] in [-1, 1], and texts float32 [B, texts.size] in [-1, 1].
        """
        latent, text_noise = latent[:, : self.latent_size], latent[:, self.latent_size :]
        # Conditions of the given text and image; 0 for rows without them.
        text_code = self._scaled(self.of_text.draw(text, text_noise)) * text_given
        image_code = tf.zeros([tf.shape(latent)[0], self.of_image.size])
        if image is not None:
            flat = tf.reshape(image, [-1, image.shape[1] * image.shape[2] * image.shape[3]])
            image_code = self._scaled(self.of_image.draw(flat, image_noise)) * image_given
        vector = tf.cast(tf.concat([text_code, image_code, latent], axis=1), self.compute_dtype)
        features = tf.reshape(self.first(vector), [-1, *self.first_shape])
        features = leaky_relu(self.first_normalization(features, training=training))
        # The text comes from the last shared layer; further layers only serve the image.
        for number, layer in enumerate(self.layers_up):
            if number + 1 == self.shared_layers:
                shared = tf.reshape(features, [-1, math.prod(features.shape[1:])])
                written = self.to_text(leaky_relu(shared))
            features = layer(features, training=training)
            if self.second_normalization is not None and number == 2:
                features = leaky_relu(self.second_normalization(features, training=training))
        generated = tf.tanh(tf.cast(self.to_image(features), tf.float32))
        return generated, tf.tanh(tf.cast(written, tf.float32))

    def _scaled(self, code: tf.Tensor) -> tf.Tensor:
        """Scales a condition so that its norm does not dominate the latent's, or the reverse."""
        return code if self.faithful else code * math.sqrt(self.latent_size / code.shape[1])

    def draw(self, latent: tf.Tensor, tokens: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates images of given texts; generates the texts of rows without a given text.

        Args:
          latent: standard normal; float32 [B, noise_size].
          tokens: ids int32 [B, T], and length int32 [B], where 0 means no given text.

        Returns:
          Images, float32 [B, S, S, C] in [-1, 1], and the ids of their texts, int32 [B, T].
        """
        given = tokens["length"] > 0
        image, text = self(
            latent,
            text=self.texts.encode(tokens["ids"]),
            text_given=tf.cast(given, tf.float32)[:, tf.newaxis],
            training=False,
        )
        return image, tf.where(given[:, tf.newaxis], tokens["ids"], self.texts.decode(text))


class Discriminator(keras.Model):
    """Maps an image, a text, or both to a logit."""

    def __init__(
        self,
        options: ImgTxtOptions,
        *,
        image_channels: int | None,
        text_size: int | None,
        name: str,
        dtype: DType = "float32",
    ) -> None:
        """Builds the discriminator.

        Args:
          options: options of IMG-TXT; published are 64 base channels and the joint head, which adds
            the text at every position of the image features.
          image_channels: 1 or 3; None: no image input.
          text_size: number of values of a text; None: no text input.
          name: name of the input: `joint`, `image` or `text`.
          dtype: dtype policy of the layers.
        """
        super().__init__(name=f"{name}_discriminator", dtype=dtype)

        def normalized(
            channels: int, size: int, stride: int = 1, *, norm: bool = True
        ) -> _Normalized:
            convolution = keras.layers.Conv2D(channels, size, stride, "same", dtype=dtype)
            batch_norm = options.discriminator_batch_norm and norm
            return _Normalized(convolution, batch_norm=batch_norm, dtype=dtype)

        base_channels, inputs = options.discriminator_channels, {}
        many = 8 * base_channels
        self.minibatch_group = options.minibatch_group
        self.look, self.halvings = [], 0
        if image_channels is not None:
            inputs["image"] = tf.zeros([1, options.image_size, options.image_size, image_channels])
            widths = channels_by_halving(base_channels, options.image_size)
            self.look = [
                normalized(width, 4, 2, norm=number > 0) for number, width in enumerate(widths)
            ]
            self.halvings = len(widths)
            self.look += [normalized(many // 4, 1), normalized(many // 4, 3), normalized(many, 3)]
        if text_size is not None:
            inputs["text"] = tf.zeros([1, text_size])
        self.projection = None
        if options.discriminator_head == "projection" and image_channels and text_size:
            self.projection = ProjectionHead(
                feature_shape=(FIRST_SIDE_PX, FIRST_SIDE_PX, many + (self.minibatch_group > 0)),
                sentence_size=text_size,
                base_channels=base_channels,
                dtype=dtype,
            )
        else:
            if text_size is not None:
                self.read = keras.layers.Dense(min(text_size, LONGEST_TEXT_CODE), dtype=dtype)
            self.joint = normalized(many, 1)
            self.logit = keras.layers.Conv2D(1, FIRST_SIDE_PX, dtype=dtype)
        self(inputs)

    @property
    def down_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block, from the image side."""
        return [[layer] for layer in self.look[: self.halvings]]

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Computes the logits.

        Args:
          inputs: `image`, float32 [B, S, S, C] in [-1, 1], and `text`, float32 [B, text_size]; only
            the inputs that the discriminator has.
          training: whether batch normalization uses batch statistics.

        Returns:
          Logits, float32 [B].
        """
        parts = []
        if "image" in inputs:
            features = tf.cast(inputs["image"], self.compute_dtype)
            for layer in self.look:
                features = layer(features, training=training)
            parts.append(with_deviation(features, group=self.minibatch_group))
        if self.projection is not None:
            return self.projection(parts[0], inputs["text"])
        if "text" in inputs:
            code = leaky_relu(self.read(tf.cast(inputs["text"], self.compute_dtype)))
            position = tf.zeros([1, FIRST_SIDE_PX, FIRST_SIDE_PX, 1])
            like = parts[0] if parts else tf.repeat(position, tf.shape(code)[0], axis=0)
            parts.append(tile(code, like))
        logit = self.logit(self.joint(tf.concat(parts, axis=-1), training=training))
        return tf.cast(tf.reshape(logit, [-1]), tf.float32)


class _Normalized(keras.layers.Layer):
    """A convolution, batch normalization, leaky ReLU."""

    def __init__(self, layer: keras.layers.Layer, *, batch_norm: bool, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.layer = layer
        self.normalization = _normalization(dtype=dtype) if batch_norm else None

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Transforms [B, H, W, C]."""
        features = self.layer(features)
        if self.normalization is not None:
            features = self.normalization(features, training=training)
        return leaky_relu(features)


def _transposed(
    channels: int, size: int, stride: int, *, dtype: DType
) -> keras.layers.Conv2DTranspose:
    return keras.layers.Conv2DTranspose(channels, size, stride, "same", dtype=dtype)


def _normalization(*, dtype: DType) -> keras.layers.BatchNormalization:
    return keras.layers.BatchNormalization(synchronized=True, dtype=dtype)
