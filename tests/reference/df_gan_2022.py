"""DF-GAN as published in 2022: NetG, NetD and NetC on their state dicts, images [B, C, S, S]."""

import numpy as np

from tests.reference.layers import (
    State,
    avg_pool2,
    conv2d,
    count_blocks,
    leaky_relu,
    linear,
    relu,
    scope,
    tile,
    upsample2,
)


def generator(state: State, noise: np.ndarray, sentence: np.ndarray) -> np.ndarray:
    """NetG: images in [-1, 1] from noise [B, Z] and sentences [B, E]."""
    condition = np.concatenate([noise, sentence], axis=1)
    features = linear(state, "fc", noise).reshape(len(noise), -1, 4, 4)
    for index in range(count_blocks(state, "GBlocks.")):
        features = up_block(scope(state, f"GBlocks.{index}."), features, condition)
    return np.tanh(conv2d(state, "to_rgb.1", leaky_relu(features), padding=1))


def image_features(state: State, images: np.ndarray) -> np.ndarray:
    """NetD: features [B, D, 4, 4]."""
    features = conv2d(state, "conv_img", images, padding=1)
    for index in range(count_blocks(state, "DBlocks.")):
        features = down_block(scope(state, f"DBlocks.{index}."), features)
    return features


def head(state: State, features: np.ndarray, sentence: np.ndarray) -> np.ndarray:
    """NetC: logits [B]."""
    joined = np.concatenate([features, tile(sentence, features)], axis=1)
    hidden = leaky_relu(conv2d(state, "joint_conv.0", joined, padding=1))
    return conv2d(state, "joint_conv.2", hidden)[:, 0, 0, 0]


def up_block(state: State, features: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """G_Block: twice the size, a shortcut plus two convolutions with a fusion before each."""
    shortcut = features = upsample2(features)
    features = conv2d(state, "c1", fusion(state, "fuse1", features, condition), padding=1)
    features = conv2d(state, "c2", fusion(state, "fuse2", features, condition), padding=1)
    if "c_sc.weight" in state:
        shortcut = conv2d(state, "c_sc", shortcut)
    return shortcut + features


def fusion(state: State, name: str, features: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """DFBLK: two affine transformations, each followed by a leaky ReLU."""
    for index in range(2):
        features = leaky_relu(affine(state, f"{name}.affine{index}", features, condition))
    return features


def affine(state: State, name: str, features: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """Scales and shifts every channel by functions of the condition."""
    scale = perceptron(state, f"{name}.fc_gamma", condition)
    shift = perceptron(state, f"{name}.fc_beta", condition)
    return tile(scale, features) * features + tile(shift, features)


def perceptron(state: State, name: str, condition: np.ndarray) -> np.ndarray:
    """Two dense layers with a ReLU between."""
    return linear(state, f"{name}.linear2", relu(linear(state, f"{name}.linear1", condition)))


def down_block(state: State, features: np.ndarray) -> np.ndarray:
    """D_Block: half the size, a pooled shortcut plus gate times two convolutions."""
    residual = leaky_relu(conv2d(state, "conv_r.0", features, stride=2, padding=1))
    residual = leaky_relu(conv2d(state, "conv_r.2", residual, padding=1))
    # Every block has a shortcut convolution; it is used only if the channels change.
    channels_out, channels_in, *_ = state["conv_s.weight"].shape
    if channels_in != channels_out:
        features = conv2d(state, "conv_s", features)
    return avg_pool2(features) + state["gamma"] * residual
