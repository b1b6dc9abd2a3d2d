"""The char-CNN-RNN text encoder on its PyTorch state dict, all three published variants.

The keys of the state dict give the variant: a gated RNN has 18 steps, a ReLU RNN 8 after a third
pooling.
"""

import numpy as np

from tests.reference.layers import State, conv1d, linear, max_pool1d, relu, sigmoid


def encode(state: State, ids: np.ndarray) -> np.ndarray:
    """Encodes captions.

    Args:
      state: the published tensors.
      ids: int [B, 201], 1 for the first character of the alphabet and 0 for none.

    Returns:
      [B, 1024].
    """
    gated = "rnn.i2h_update.weight" in state
    features = max_pool1d(threshold(conv1d(state, "conv1", one_hot(state, ids))), 3, 3)
    features = max_pool1d(threshold(conv1d(state, "conv2", features)), 3, 3)
    features = threshold(conv1d(state, "conv3", features))
    if not gated:
        features = max_pool1d(features, 3, 2)
    steps = (gated_steps if gated else relu_steps)(state, features.transpose(2, 0, 1))
    return linear(state, "emb_proj", np.mean(steps, axis=0))


def one_hot(state: State, ids: np.ndarray) -> np.ndarray:
    """Characters as [B, alphabet, T]; id 0 is all zeros."""
    weight = state["conv1.weight"]
    return np.eye(weight.shape[1] + 1, dtype=weight.dtype)[ids][:, :, 1:].transpose(0, 2, 1)


def threshold(values: np.ndarray) -> np.ndarray:
    """Values above 1e-6, the others 0."""
    return np.where(values > 1e-6, values, 0)


def relu_steps(state: State, inputs: np.ndarray) -> list[np.ndarray]:
    """Hidden states [B, H] of a ReLU RNN over inputs [T, B, H]."""
    # The first step has no hidden term, not even its bias.
    hidden = [relu(linear(state, "rnn.i2h", inputs[0]))]
    for values in inputs[1:]:
        hidden.append(relu(linear(state, "rnn.i2h", values) + linear(state, "rnn.h2h", hidden[-1])))
    return hidden


def gated_steps(state: State, inputs: np.ndarray) -> list[np.ndarray]:
    """Hidden states [B, H] of the GRU over inputs [T, B, H]."""
    # The first step has neither gates nor a hidden term.
    hidden = [np.tanh(linear(state, "rnn.i2h", inputs[0]))]
    for values in inputs[1:]:
        update = gate(state, "update", values, hidden[-1])
        reset = gate(state, "reset", values, hidden[-1])
        candidate = np.tanh(
            linear(state, "rnn.i2h", values) + linear(state, "rnn.h2h", reset * hidden[-1])
        )
        hidden.append(update * candidate + (1 - update) * hidden[-1])
    return hidden


def gate(state: State, name: str, values: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """One gate of the GRU, in (0, 1)."""
    return sigmoid(
        linear(state, f"rnn.i2h_{name}", values) + linear(state, f"rnn.h2h_{name}", hidden)
    )
