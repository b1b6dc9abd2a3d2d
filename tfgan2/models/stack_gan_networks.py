"""The generators of StackGAN: stage one draws a small image, stage two a larger one from it.

Source: Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks", figure 2, in the forms of its published codes: `tensorflow`,
https://github.com/hanzhanggit/StackGAN, and `pytorch`,
https://github.com/hanzhanggit/StackGAN-Pytorch, which has fewer residual blocks. Two more are what
IMAGAN's authors tried, of which they published no code: the generators of `tensorflow`, where all
residual blocks are residual dense blocks, of the paper in `rdn` and of IMAGAN's code in `imagan`.
"""

import functools

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.blocks import DType, tile
from tfgan2.models.conditioning import ConditioningAugmentation
from tfgan2.models.gan_cls_blocks import (
    Normalized,
    Residual,
    Start,
    channels_by_halving,
    doubling,
    normal_convolution,
    up_blocks,
)
from tfgan2.models.residual_dense import DenseBlock, NormalizedDenseBlock, make_dense_block

STAGE_ONE_SIZES_PX = (16, 32, 64)
STAGE_TWO_SIZES_PX = (64, 128, 256)
FORMS = ("tensorflow", "pytorch", "rdn", "imagan")
DENSE_FORMS = ("rdn", "imagan")
# How many times larger the images of stage two are.
MAGNIFICATION = 4
RESIDUAL_BLOCKS, PYTORCH_RESIDUAL_BLOCKS = 4, 2


def residual_block(
    channels: int, *, bottleneck: bool, form: str, faithful: bool, dtype: DType
) -> Residual | DenseBlock | NormalizedDenseBlock:
    """Makes a generator's residual block; a dense one grows by a quarter of its channels."""
    if form not in DENSE_FORMS:
        return Residual(channels, bottleneck=bottleneck, activation=tf.nn.relu, dtype=dtype)
    # A quarter is what IMAGAN's own generator has, and what the bottleneck is wide.
    return make_dense_block(form, channels, growth=channels // 4, faithful=faithful, dtype=dtype)


class StageOneGenerator(keras.Model):
    """Latent and sentence to a small image.

    With 128 channels, a latent of 100 and a condition of 128 of a sentence of 1024, it has
    14,303,360 parameters for 64 px in the form `tensorflow`, of which 39,168 are moving statistics.
    """

    def __init__(
        self,
        *,
        image_size: int,
        image_channels: int,
        latent_size: int,
        sentence_size: int,
        conditioning_size: int,
        base_channels: int,
        form: str,
        faithful: bool = False,
        dtype: DType = "float32",
    ) -> None:
        """Builds the generator.

        Args:
          image_size: side in pixels, a power of two from 16 to 64.
          image_channels: 1 or 3.
          latent_size: length of the latent without the noise of the condition.
          sentence_size: length of the sentence.
          conditioning_size: length of the condition.
          base_channels: channels at half of the image's size (published: 128, in `pytorch` 192), a
            multiple of 4.
          form: `tensorflow`, `pytorch`, `rdn` or `imagan`.
          faithful: of `imagan`, as in `ResidualDenseGenerator`.
          dtype: policy of its layers.
        """
        # Conditions are drawn in float32, so Keras is not to cast the latent.
        super().__init__(name="stage_one_generator", dtype=dtype, autocast=False)
        self.latent_size = latent_size
        self.conditioning = ConditioningAugmentation(
            sentence_size=sentence_size,
            conditioning_size=conditioning_size,
            form=form,
            dtype=dtype,
        )
        channels = channels_by_halving(base_channels, image_size)[::-1]
        double = functools.partial(doubling, dtype=dtype)
        if form == "pytorch":
            self.start = Start(channels[0], by_channel=False, activation=tf.nn.relu, dtype=dtype)
            self.blocks = [
                Normalized(double(width), activation=tf.nn.relu, dtype=dtype)
                for width in [*channels[1:], base_channels // 2]
            ]
            self.to_image = normal_convolution(image_channels, 3, dtype=dtype)
        else:
            residual = functools.partial(
                residual_block, bottleneck=True, form=form, faithful=faithful, dtype=dtype
            )
            self.start = Start(channels[0], by_channel=False, use_bias=True, dtype=dtype)
            self.blocks = up_blocks(channels, double=double, residual=residual, dtype=dtype)
            self.to_image = double(image_channels)
        self(tf.zeros([1, self.noise_size]), tf.zeros([1, sentence_size]))

    @property
    def noise_size(self) -> int:
        """Length of all the noise that it takes as its latent."""
        return self.latent_size + self.conditioning.conditioning_size

    @property
    def first(self) -> keras.layers.Dense:
        """The layer that takes the latent."""
        return self.start.dense

    def call(
        self, latent: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Draws images.

        Args:
          latent: float32 [B, noise_size], normal: the latent, then the noise of the condition.
          sentence: float32 [B, sentence_size].
          training: whether to normalize by the batch, and to move the averages that sampling
            normalizes by.

        Returns:
          float32 [B, S, S, C] in [-1, 1].
        """
        latent, noise = latent[:, : self.latent_size], latent[:, self.latent_size :]
        vector = tf.concat([self.conditioning.draw(sentence, noise), latent], axis=1)
        features = self.start(tf.cast(vector, self.compute_dtype), training=training)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.tanh(tf.cast(self.to_image(features), tf.float32))


class StageTwoGenerator(keras.Model):
    """Latent and sentence to an image of four times the side of stage one's, which it refines.

    Stage one is held as it was trained: it neither learns nor moves its averages. With 128
    channels and a condition of 128 of a sentence of 1024, stage two has 26,301,792 parameters
    in the form `tensorflow` beside those of stage one, for any size; 11,712 are moving statistics.
    """

    def __init__(
        self,
        *,
        image_size: int,
        image_channels: int,
        latent_size: int,
        sentence_size: int,
        conditioning_size: int,
        base_channels: int,
        form: str,
        faithful: bool = False,
        dtype: DType = "float32",
    ) -> None:
        """Builds the generator.

        Args:
          image_size: side in pixels, a power of two from 64 to 256.
          image_channels: 1 or 3.
          latent_size: length of stage one's latent without the noise of the conditions.
          sentence_size: length of the sentence.
          conditioning_size: length of the condition of either stage.
          base_channels: of either stage (published: 128, in `pytorch` 192), a multiple of 4.
          form: of either stage, `tensorflow`, `pytorch`, `rdn` or `imagan`.
          faithful: of `imagan`, as in `ResidualDenseGenerator`.
          dtype: policy of its layers.
        """
        # Conditions are drawn in float32, so Keras is not to cast the latent.
        super().__init__(name="stage_two_generator", dtype=dtype, autocast=False)
        self.stage_one = StageOneGenerator(
            image_size=image_size // MAGNIFICATION,
            image_channels=image_channels,
            latent_size=latent_size,
            sentence_size=sentence_size,
            conditioning_size=conditioning_size,
            base_channels=base_channels,
            form=form,
            faithful=faithful,
            dtype=dtype,
        )
        self.stage_one.trainable = False
        self.conditioning = ConditioningAugmentation(
            sentence_size=sentence_size,
            conditioning_size=conditioning_size,
            form=form,
            dtype=dtype,
        )

        def normalized(layer: keras.layers.Layer, *, batch_norm: bool = True) -> Normalized:
            return Normalized(layer, activation=tf.nn.relu, batch_norm=batch_norm, dtype=dtype)

        few, middle, many = base_channels, 2 * base_channels, 4 * base_channels
        self.down = [
            normalized(normal_convolution(few, 3, dtype=dtype), batch_norm=False),
            normalized(normal_convolution(middle, 4, stride=2, dtype=dtype)),
            normalized(normal_convolution(many, 4, stride=2, dtype=dtype)),
        ]
        residual_blocks = PYTORCH_RESIDUAL_BLOCKS if form == "pytorch" else RESIDUAL_BLOCKS
        self.blocks = [
            normalized(normal_convolution(many, 3, dtype=dtype)),
            *[
                residual_block(many, bottleneck=False, form=form, faithful=faithful, dtype=dtype)
                for _ in range(residual_blocks)
            ],
            *[
                normalized(doubling(width, dtype=dtype))
                for width in (middle, few, few // 2, few // 4)
            ],
        ]
        self.to_image = normal_convolution(image_channels, 3, dtype=dtype)
        self(tf.zeros([1, self.noise_size]), tf.zeros([1, sentence_size]))

    @property
    def noise_size(self) -> int:
        """Length of all the noise that it takes as its latent."""
        return self.stage_one.noise_size + self.conditioning.conditioning_size

    def begin_with(self, stage_one: StageOneGenerator) -> None:
        """Takes the weights of a trained stage one of the same options."""
        # Keras lists the weights of frozen layers in another order.
        self.stage_one.trainable = True
        self.stage_one.set_weights(stage_one.get_weights())
        self.stage_one.trainable = False

    def call(
        self, latent: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Draws images.

        Args:
          latent: float32 [B, noise_size], normal: that of stage one, then the noise of stage two's
            own condition.
          sentence: float32 [B, sentence_size].
          training: whether to normalize by the batch, and to move the averages that sampling
            normalizes by; stage one never does.

        Returns:
          float32 [B, S, S, C] in [-1, 1].
        """
        noise_size = self.stage_one.noise_size
        latent, noise = latent[:, :noise_size], latent[:, noise_size:]
        image = tf.stop_gradient(self.stage_one(latent, sentence, training=False))
        features = tf.cast(image, self.compute_dtype)
        for block in self.down:
            features = block(features, training=training)
        condition = tf.cast(self.conditioning.draw(sentence, noise), self.compute_dtype)
        features = tf.concat([features, tile(condition, features)], axis=-1)
        for block in self.blocks:
            features = block(features, training=training)
        return tf.tanh(tf.cast(self.to_image(features), tf.float32))
