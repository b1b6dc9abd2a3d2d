"""The discriminator of both StackGAN stages, as feature extractor and head.

Source: see `stack_gan_networks`. The form `pytorch` has no residual block, and its condition is the
mean of the generator's condition; all other forms have the discriminator of `tensorflow`.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import FIRST_SIDE_PX, DType, leaky_relu
from tfgan2.models.layers.gan_cls_blocks import (
    JointLogit,
    Residual,
    channels_by_halving,
    down_blocks,
    normal_convolution,
    normal_dense,
)
from tfgan2.models.stack_gan.options import StackGANOptions

# Channels of the features as a multiple of the base channels.
WIDEST = 8
# By stage: number of last convolutions of `tensorflow` without activation.
LINEAR_END = {1: 2, 2: 1}
TEXT_SIZE = 128


class StageFeatures(keras.Model):
    """The feature extractor of a stage's discriminator: an image to 4x4 feature maps.

    With 64 channels, the form `tensorflow` has 3,565,056 parameters for 64 px in stage I, of which
    3,328 are moving statistics, and 48,147,968 for 256 px in stage II, of which 12,544 are.
    """

    def __init__(
        self, options: StackGANOptions, *, image_channels: int, dtype: DType = "float32"
    ) -> None:
        """Builds the network.

        Args:
          options: options of the stage. Published are 64 base channels, in `pytorch` 96; their
            number must be even. Any form but `pytorch` means `tensorflow`.
          image_channels: 1 or 3.
          dtype: dtype policy of the layers.
        """
        super().__init__(name="stage_features", dtype=dtype)
        channels = channels_by_halving(options.discriminator_channels, options.image_size)
        widest, batch_norm = WIDEST * channels[0], options.discriminator_batch_norm
        narrowed = [width for width in channels[-2::-1] if width >= widest]
        features = min(channels[-1], widest)
        self.feature_shape = (FIRST_SIDE_PX, FIRST_SIDE_PX, features)
        pytorch = options.discriminator_form == "pytorch"
        blocks = down_blocks(
            channels,
            narrowed=narrowed,
            narrowing_size=3 if pytorch else 1,
            linear_end=0 if pytorch else LINEAR_END[options.stage],
            batch_norm=batch_norm,
            dtype=dtype,
        )
        if not pytorch:
            blocks.append(
                Residual(
                    features,
                    bottleneck=True,
                    activation=leaky_relu,
                    batch_norm=batch_norm,
                    dtype=dtype,
                )
            )
        self.blocks = blocks
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


class StageHead(keras.Model):
    """The head of a stage's discriminator: image features and a condition to logits.

    In the form `pytorch` the condition is the mean of the generator's condition, used unchanged; in
    all other forms it is the sentence embedding, reduced to 128 units.
    """

    def __init__(
        self,
        options: StackGANOptions,
        *,
        feature_shape: tuple[int, int, int],
        condition_size: int,
        unconditional: bool,
        dtype: DType = "float32",
    ) -> None:
        """Builds the head.

        Args:
          options: options of the stage, as for `StageFeatures`.
          feature_shape: height, width and channels of the features; height equals width.
          condition_size: length of the condition.
          unconditional: whether to return unconditional logits too (published: in stage II of
            `pytorch`).
          dtype: dtype policy of the layers.
        """
        super().__init__(name="stage_head", dtype=dtype)
        pytorch = options.discriminator_form == "pytorch"
        self.text = None if pytorch else normal_dense(TEXT_SIZE, dtype=dtype)
        self.joint = JointLogit(
            feature_shape,
            size=3 if pytorch else 1,
            logit_bias=pytorch,
            batch_norm=options.discriminator_batch_norm,
            dtype=dtype,
        )
        self.alone = (
            normal_convolution(1, feature_shape[0], padding="valid", use_bias=pytorch, dtype=dtype)
            if unconditional
            else None
        )
        self(tf.zeros([1, *feature_shape]), tf.zeros([1, condition_size]))

    def call(
        self, features: tf.Tensor, sentence: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, ...]:
        """Computes the logits of features [B, 4, 4, D] and conditions [B, E].

        Returns:
          Conditional logits, float32 [B], and unconditional logits if the head has them.
        """
        features = tf.cast(features, self.compute_dtype)
        text = tf.cast(sentence, self.compute_dtype)
        if self.text is not None:
            text = leaky_relu(self.text(text))
        conditional = self.joint(features, text, training=training)
        if self.alone is None:
            return (conditional,)
        unconditional = tf.reshape(self.alone(features), [-1])
        return conditional, tf.cast(unconditional, tf.float32)
