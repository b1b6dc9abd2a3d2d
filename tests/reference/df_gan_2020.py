"""DF-GAN as first published in 2020: netG and netD on their state dicts, images [B, C, S, S].

Differences from 2022: the generator's first block keeps 4x4, blocks have gates, and affine
transformations are conditioned on the sentence only. The discriminator's blocks are the same.
"""

import numpy as np

from tests.reference import df_gan_2022
from tests.reference.layers import State, conv2d, count_blocks, leaky_relu, linear, scope, upsample2


def generator(state: State, noise: np.ndarray, sentence: np.ndarray) -> np.ndarray:
    """Images in [-1, 1] from noise [B, Z] and sentences [B, E]."""
    features = linear(state, "fc", noise).reshape(len(noise), -1, 4, 4)
    for index in range(count_blocks(state, "block")):
        if index > 0:
            features = upsample2(features)
        features = block(scope(state, f"block{index}."), features, sentence)
    return np.tanh(conv2d(state, "conv_img.1", leaky_relu(features), padding=1))


def image_features(state: State, images: np.ndarray) -> np.ndarray:
    """Features [B, D, 4, 4] of netD."""
    features = conv2d(state, "conv_img", images, padding=1)
    for index in range(count_blocks(state, "block")):
        features = df_gan_2022.down_block(scope(state, f"block{index}."), features)
    return features


def head(state: State, features: np.ndarray, sentence: np.ndarray) -> np.ndarray:
    """Logits [B] of COND_DNET, a part of netD."""
    return df_gan_2022.head(scope(state, "COND_DNET."), features, sentence)


def block(state: State, features: np.ndarray, sentence: np.ndarray) -> np.ndarray:
    """G_Block: a shortcut plus a gate times two convolutions, with a fusion before each."""
    residual = conv2d(state, "c1", fusion(state, (0, 1), features, sentence), padding=1)
    residual = conv2d(state, "c2", fusion(state, (2, 3), residual, sentence), padding=1)
    shortcut = conv2d(state, "c_sc", features) if "c_sc.weight" in state else features
    return shortcut + state["gamma"] * residual


def fusion(
    state: State, affines: tuple[int, int], features: np.ndarray, sentence: np.ndarray
) -> np.ndarray:
    """Two affine transformations, each followed by a leaky ReLU."""
    for index in affines:
        features = leaky_relu(df_gan_2022.affine(state, f"affine{index}", features, sentence))
    return features
