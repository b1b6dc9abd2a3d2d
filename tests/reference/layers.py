"""PyTorch's layers in NumPy: arrays are [B, C, H, W] or [B, C, T], weights come from a state dict.

A layer function has the state dict and the layer's name as arguments.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

State: TypeAlias = Mapping[str, np.ndarray]


def scope(state: State, prefix: str) -> State:
    """The tensors whose names start with `prefix`; the prefix is removed."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def count_blocks(state: State, prefix: str) -> int:
    """The number of blocks numbered after `prefix`, as in `block0.` or `GBlocks.0.`."""
    names = (name.removeprefix(prefix) for name in state if name.startswith(prefix))
    return len({name.split(".")[0] for name in names})


def linear(state: State, name: str, vectors: np.ndarray) -> np.ndarray:
    """A dense layer on vectors [B, in]."""
    return vectors @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def conv2d(
    state: State, name: str, images: np.ndarray, *, stride: int = 1, padding: int = 0
) -> np.ndarray:
    """A convolution, with a bias if the state dict has one."""
    weight = state[f"{name}.weight"]
    border = (padding, padding)
    padded = np.pad(images, [(0, 0), (0, 0), border, border])
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    batch, _, height, width, *_ = windows.shape
    columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(batch, -1, height * width)
    result = weight.reshape(len(weight), -1) @ columns
    if f"{name}.bias" in state:
        result += state[f"{name}.bias"][:, np.newaxis]
    return result.reshape(batch, len(weight), height, width)


def conv1d(state: State, name: str, sequences: np.ndarray) -> np.ndarray:
    """A convolution over time without padding."""
    flat = {f"{name}.weight": state[f"{name}.weight"][:, :, np.newaxis]}
    result = conv2d(flat, name, sequences[:, :, np.newaxis])[:, :, 0]
    return result + state[f"{name}.bias"][:, np.newaxis]


def max_pool1d(sequences: np.ndarray, size: int, stride: int) -> np.ndarray:
    """The maximum over time windows; an incomplete last window is dropped."""
    return sliding_window_view(sequences, size, axis=2)[:, :, ::stride].max(axis=-1)


def avg_pool2(images: np.ndarray) -> np.ndarray:
    """The mean of every 2x2 pixels."""
    batch, channels, height, width = images.shape
    return images.reshape(batch, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


def upsample2(images: np.ndarray) -> np.ndarray:
    """Every pixel twice in both directions."""
    return images.repeat(2, axis=2).repeat(2, axis=3)


def tile(vectors: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Vectors [B, D] at every pixel of `like` [B, C, H, W]: [B, D, H, W]."""
    shape = (*vectors.shape, *like.shape[2:])
    return np.broadcast_to(vectors[:, :, np.newaxis, np.newaxis], shape)


def relu(values: np.ndarray) -> np.ndarray:
    """Negative values become 0."""
    return np.maximum(values, 0)


def leaky_relu(values: np.ndarray) -> np.ndarray:
    """Leaky ReLU of slope 0.2."""
    return np.where(values > 0, values, 0.2 * values)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """The logistic function, by a form that does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * values))
