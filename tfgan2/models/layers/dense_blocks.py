"""Residual dense blocks, which combine sentence embedding and features in IMAGAN and StackGAN.

Source: Zhang et al. 2018, "Residual Dense Network for Image Super-Resolution", section 3.2, and
the variant in the code of IMAGAN, https://github.com/Abhishek-Aditya-bs/IMAGAN-Text-To-Image-Using-GAN.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.models.layers.blocks import DType, convolution, leaky_relu

DENSE_CONVOLUTIONS = 8
# Batch normalization: the intended values, and the values of the code, which passes 0.8 as epsilon.
EPSILON, MOMENTUM = 1e-5, 0.8
FAITHFUL_EPSILON, FAITHFUL_MOMENTUM = 0.8, 0.9


def batch_normalization(*, faithful: bool, dtype: DType) -> keras.layers.BatchNormalization:
    """Batch normalization over the global batch."""
    return keras.layers.BatchNormalization(
        momentum=FAITHFUL_MOMENTUM if faithful else MOMENTUM,
        epsilon=FAITHFUL_EPSILON if faithful else EPSILON,
        synchronized=True,
        dtype=dtype,
    )


class NormalizedDenseBlock(keras.layers.Layer):
    """The block of IMAGAN's code: normalizes all features after every convolution (RDB).

    Differences from the RDN paper: the normalization, and a convolution as the shortcut instead of
    the identity.
    """

    def __init__(self, channels: int, *, growth: int, faithful: bool, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.convolutions = [
            convolution(growth, 3, use_bias=False, dtype=dtype) for _ in range(DENSE_CONVOLUTIONS)
        ]
        self.normalizations = [
            batch_normalization(faithful=faithful, dtype=dtype) for _ in range(DENSE_CONVOLUTIONS)
        ]
        self.fuse = convolution(channels, 1, use_bias=False, dtype=dtype)
        self.shortcut = convolution(channels, 3, use_bias=False, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [B, H, W, D] to [B, H, W, channels]."""
        collected = features
        for conv, normalization in zip(self.convolutions, self.normalizations, strict=True):
            collected = tf.concat([conv(collected), collected], axis=-1)
            collected = leaky_relu(normalization(collected, training=training))
        return self.fuse(collected) + leaky_relu(self.shortcut(features))


class DenseBlock(keras.layers.Layer):
    """The block of the RDN paper: no normalization, ReLU, and an identity shortcut (RDB).

    The paper's block has equal input and output channels; here a 1x1 convolution first reduces
    features and sentence embedding to the output channels. There are no biases, as in the layers
    around the block.
    """

    def __init__(self, channels: int, *, growth: int, dtype: DType) -> None:
        super().__init__(dtype=dtype)
        self.reduce = convolution(channels, 1, use_bias=False, dtype=dtype)
        self.convolutions = [
            convolution(growth, 3, use_bias=False, dtype=dtype) for _ in range(DENSE_CONVOLUTIONS)
        ]
        self.fuse = convolution(channels, 1, use_bias=False, dtype=dtype)

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [B, H, W, D] to [B, H, W, channels]; `training` has no effect."""
        collected = features = self.reduce(features)
        for conv in self.convolutions:
            collected = tf.concat([collected, tf.nn.relu(conv(collected))], axis=-1)
        return features + self.fuse(collected)


def make_dense_block(
    name: str, channels: int, *, growth: int, faithful: bool, dtype: DType
) -> NormalizedDenseBlock | DenseBlock:
    """Builds the block called `name` with new weights."""
    match name:
        case "imagan":
            return NormalizedDenseBlock(channels, growth=growth, faithful=faithful, dtype=dtype)
        case "rdn":
            return DenseBlock(channels, growth=growth, dtype=dtype)
    raise ValueError(f"block: must be 'imagan' or 'rdn', got {name!r}")
