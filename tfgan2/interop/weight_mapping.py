"""Weight mapping: variables of the tensors in a published state dict, and layout changes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfgan2.program import UsageError

# Prefixes that wrappers add to every key: parallel training and AveragedModel, torch.compile.
WRAPPERS = ("module.", "_orig_mod.")
AVERAGED_COUNT = "n_averaged"  # AveragedModel's number of averaged states, beside the weights.
MOST_NAMED = 5

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


def weights_of(content: Any, *, name: str) -> dict[str, np.ndarray]:
    """Returns the weights of a state dict by key, without what wrappers of the network add.

    Args:
      content: the state dict.
      name: name of the network or its file, for error messages.

    Raises:
      UsageError: the content is no state dict, or a tensor holds integers, NaN or infinities.
    """
    if not is_state(content):
        raise UsageError(name, "must hold a state dict, of tensors by name", described(content))
    state = {key: tensor for key, tensor in content.items() if key != AVERAGED_COUNT}
    while prefix := _common_prefix(state):
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    check_values(state, name=name)
    return state


def check_values(tensors: Mapping[str, np.ndarray], *, name: str) -> None:
    """Checks that tensors hold numbers with which a network can compute.

    Raises:
      UsageError: tensors hold integers, NaN, or numbers that are not finite in float32.
    """
    faults = [f"{fault} in {key}" for key, it in tensors.items() if (fault := _fault(it))]
    if faults:
        more = len(faults) - MOST_NAMED
        named = ", ".join([*faults[:MOST_NAMED], *([f"and in {more} others"] if more > 0 else [])])
        raise UsageError(name, "must hold finite floating-point numbers", named)


def described(content: Any) -> str:
    """Describes a value by its type, and a dict by its first keys."""
    if not isinstance(content, dict):
        return type(content).__name__
    return f"a dict of {', '.join(map(str, list(content)[:MOST_NAMED])) or 'nothing':.100}"


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


def _common_prefix(state: Mapping[str, np.ndarray]) -> str:
    found = (it for it in WRAPPERS if state and all(key.startswith(it) for key in state))
    return next(found, "")


def _fault(tensor: np.ndarray) -> str:
    if not np.issubdtype(tensor.dtype, np.floating):
        return str(tensor.dtype)
    with np.errstate(over="ignore"):
        return "" if np.isfinite(tensor.astype(np.float32)).all() else "NaN or infinity"


def _bias(name: str, layer: keras.layers.Layer) -> dict[str, Target]:
    if not layer.use_bias:
        return {}
    return {f"{name}.bias": Target(layer.bias, tuple(layer.bias.shape), lambda tensor: tensor)}
