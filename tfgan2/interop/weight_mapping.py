"""Weight mapping: variables of the tensors in a published state dict, and layout changes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.program import UsageError

PARALLEL_PREFIX = "module."

Convert = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Target:
    """Target of one tensor.

    Attributes:
      variable: variable that gets the tensor.
      shape: shape of the published tensor.
      convert: converts the published layout to the variable's.
      optional: the tensor may be missing; the variable then keeps its value.
    """

    variable: tf.Variable
    shape: tuple[int, ...]
    convert: Convert
    optional: bool = False


def convolution(name: str, layer: keras.layers.Layer) -> dict[str, Target]:
    """Maps a convolution of one or two dimensions; PyTorch's layout is channels-first."""
    *window, inputs, outputs = layer.kernel.shape
    convert: Convert = np.transpose
    if len(window) == 2:  # A plain transpose would swap height and width.
        convert = lambda tensor: tensor.transpose(2, 3, 1, 0)  # noqa: E731
    weight = Target(layer.kernel, (outputs, inputs, *window), convert)
    return {f"{name}.weight": weight} | _bias(name, layer)


def linear(name: str, layer: keras.layers.Dense) -> dict[str, Target]:
    """Maps a dense layer."""
    inputs, outputs = layer.kernel.shape
    weight = Target(layer.kernel, (outputs, inputs), np.transpose)
    return {f"{name}.weight": weight} | _bias(name, layer)


def scalar(name: str, variable: tf.Variable) -> dict[str, Target]:
    """Maps a scalar, which PyTorch stores as a vector of one element."""
    return {name: Target(variable, (1,), lambda tensor: tensor.reshape(()))}


def under(name: str, *parts: Mapping[str, Target]) -> dict[str, Target]:
    """Adds a module's name as a prefix to the keys of its parts."""
    return {f"{name}.{key}": target for part in parts for key, target in part.items()}


def is_state(content: Any) -> bool:
    """Whether a value is a state dict: tensors by name."""
    return isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(tensor, np.ndarray) for key, tensor in content.items()
    )


def without_prefix(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Removes the prefix that parallel training adds to every key of a state dict."""
    if all(key.startswith(PARALLEL_PREFIX) for key in state):
        return {key.removeprefix(PARALLEL_PREFIX): tensor for key, tensor in state.items()}
    return dict(state)


def fill(targets: Mapping[str, Target], state: Mapping[str, np.ndarray], *, name: str) -> None:
    """Assigns all tensors to their variables, or none if any is wrong.

    Args:
      targets: target of every key.
      state: tensors by key.
      name: name of the network, for error messages.

    Raises:
      UsageError: keys are missing, superfluous or of a wrong shape; the error names all of them.
    """
    faults = [
        f"{key} is missing"
        for key, target in targets.items()
        if key not in state and not target.optional
    ]
    faults += [f"{key} is left over" for key in state if key not in targets]
    for key in targets.keys() & state.keys():
        shape = getattr(state[key], "shape", None)
        if shape != targets[key].shape:
            faults.append(f"{key} has the shape {shape} in the place of {targets[key].shape}")
    if faults:
        raise UsageError(name, "must have the published keys and shapes", "; ".join(faults))
    for key in targets.keys() & state.keys():
        targets[key].variable.assign(targets[key].convert(state[key]))


def expect(state: Mapping[str, np.ndarray], ranks: Mapping[str, int], *, name: str) -> None:
    """Checks that the tensors which define sizes exist.

    Args:
      state: tensors by key.
      ranks: number of dimensions by key.
      name: name of the network, for error messages.

    Raises:
      UsageError: a tensor is missing, or has another rank.
    """
    for key, rank in ranks.items():
        shape = state[key].shape if key in state else None
        if shape is None or len(shape) != rank:
            raise UsageError(name, f"must have {key} of {rank} dimensions", shape)


def _bias(name: str, layer: keras.layers.Layer) -> dict[str, Target]:
    if not layer.use_bias:
        return {}
    return {f"{name}.bias": Target(layer.bias, tuple(layer.bias.shape), lambda tensor: tensor)}
