"""Where the tensors of a published state dict belong, and how they are turned to fit."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.program import UsageError

PARALLEL_PREFIX = "module."

Turn = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one tensor belongs.

    Attributes:
      variable: that takes it.
      shape: of the published tensor.
      turn: from the published layout to the variable's.
      optional: it may be missing, and the variable then keeps what it has.
    """

    variable: tf.Variable
    shape: tuple[int, ...]
    turn: Turn
    optional: bool = False


def convolution(name: str, layer: keras.layers.Layer) -> dict[str, Place]:
    """Places of a convolution, of one or two dimensions: channels come first in PyTorch."""
    *window, inputs, outputs = layer.kernel.shape
    places = {f"{name}.weight": Place(layer.kernel, (outputs, inputs, *window), np.transpose)}
    if len(window) == 2:  # Transposed, height and width would change places.
        turn: Turn = lambda tensor: tensor.transpose(2, 3, 1, 0)  # noqa: E731
        places = {f"{name}.weight": dataclasses.replace(places[f"{name}.weight"], turn=turn)}
    return places | _bias(name, layer)


def linear(name: str, layer: keras.layers.Dense) -> dict[str, Place]:
    """Places of a dense layer."""
    inputs, outputs = layer.kernel.shape
    weight = Place(layer.kernel, (outputs, inputs), np.transpose)
    return {f"{name}.weight": weight} | _bias(name, layer)


def scalar(name: str, variable: tf.Variable) -> dict[str, Place]:
    """Place of a single number, which PyTorch keeps as a vector of one."""
    return {name: Place(variable, (1,), lambda tensor: tensor.reshape(()))}


def under(name: str, *parts: Mapping[str, Place]) -> dict[str, Place]:
    """Places of a module's parts under its name."""
    return {f"{name}.{key}": place for part in parts for key, place in part.items()}


def is_state(content: Any) -> bool:
    """Whether something is a state dict: tensors by name."""
    return isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(tensor, np.ndarray) for key, tensor in content.items()
    )


def without_prefix(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state dict without the prefix that parallel training puts before every key."""
    if all(key.startswith(PARALLEL_PREFIX) for key in state):
        return {key.removeprefix(PARALLEL_PREFIX): tensor for key, tensor in state.items()}
    return dict(state)


def fill(places: Mapping[str, Place], state: Mapping[str, np.ndarray], *, name: str) -> None:
    """Gives every variable its tensor, or none of them.

    Args:
      places: by key.
      state: tensors by key.
      name: of the network, for errors.

    Raises:
      UsageError: keys are missing, left over or of a wrong shape; all of them are named.
    """
    faults = [
        f"{key} is missing"
        for key, place in places.items()
        if key not in state and not place.optional
    ]
    faults += [f"{key} is left over" for key in state if key not in places]
    for key in places.keys() & state.keys():
        shape = getattr(state[key], "shape", None)
        if shape != places[key].shape:
            faults.append(f"{key} has the shape {shape} in the place of {places[key].shape}")
    if faults:
        raise UsageError(name, "must have the published keys and shapes", "; ".join(faults))
    for key in places.keys() & state.keys():
        places[key].variable.assign(places[key].turn(state[key]))


def expect(state: Mapping[str, np.ndarray], ranks: Mapping[str, int], *, name: str) -> None:
    """Checks that tensors are there from which sizes are read.

    Args:
      state: tensors by key.
      ranks: by key, how many dimensions a tensor has.
      name: of the network, for errors.

    Raises:
      UsageError: they are missing, or have other ranks.
    """
    for key, rank in ranks.items():
        shape = state[key].shape if key in state else None
        if shape is None or len(shape) != rank:
            raise UsageError(name, f"must have {key} of {rank} dimensions", shape)


def _bias(name: str, layer: keras.layers.Layer) -> dict[str, Place]:
    if not layer.use_bias:
        return {}
    return {f"{name}.bias": Place(layer.bias, tuple(layer.bias.shape), lambda tensor: tensor)}
