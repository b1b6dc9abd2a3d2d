"""DAMSM's text encoder (AttnGAN's RNN_ENCODER) on its state dict: a bidirectional LSTM."""

from collections.abc import Iterable

import numpy as np

from tests.reference.layers import State, sigmoid


def encode(state: State, ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encodes captions as in evaluation, without dropout.

    Args:
      state: the published tensors.
      ids: int [B, T].
      lengths: int [B], each from 1 to T.

    Returns:
      Word features [B, 2H, T], zero at padded steps, and sentences [B, 2H]: forward, then backward.
      PyTorch cuts T to the longest caption of the batch; here it stays.
    """
    words = state["encoder.weight"][ids]
    steps = range(ids.shape[1])
    forward, last = _lstm(state, "l0", words, lengths, steps)
    backward, first = _lstm(state, "l0_reverse", words, lengths, reversed(steps))
    features = np.concatenate([forward, backward], axis=2).transpose(0, 2, 1)
    return features, np.concatenate([last, first], axis=1)


def _lstm(
    state: State, direction: str, words: np.ndarray, lengths: np.ndarray, steps: Iterable[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs [B, T, H] and the last hidden state [B, H] of one direction."""
    hidden_weight = state[f"rnn.weight_hh_{direction}"]
    bias = state[f"rnn.bias_ih_{direction}"] + state[f"rnn.bias_hh_{direction}"]
    inputs = words @ state[f"rnn.weight_ih_{direction}"].T + bias
    batch, time, _ = words.shape
    hidden = cell = np.zeros([batch, hidden_weight.shape[1]], words.dtype)
    outputs = np.zeros([batch, time, hidden_weight.shape[1]], words.dtype)
    for step in steps:
        gates = np.split(inputs[:, step] + hidden @ hidden_weight.T, 4, axis=1)
        new_hidden, new_cell = _update(gates, cell)
        inside = (step < lengths)[:, np.newaxis]
        hidden, cell = np.where(inside, new_hidden, hidden), np.where(inside, new_cell, cell)
        outputs[:, step] = np.where(inside, new_hidden, 0)
    return outputs, hidden


def _update(gates: list[np.ndarray], cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The next hidden state and cell, both [B, H], from PyTorch's order of gates."""
    enter, forget, candidate, leave = gates
    cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
    return sigmoid(leave) * np.tanh(cell), cell
