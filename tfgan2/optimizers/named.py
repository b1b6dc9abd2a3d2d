"""Optimizers by name: Keras's, and on the TensorFlow Addons line also those of Addons.

`adam`, `sgd(momentum=0.9)`, `addons.LAMB`, `addons.Lookahead(addons.LAMB, sync_period=5)`: a name,
and in parentheses first the wrapped optimizer of a wrapper, then arguments of the constructor.
"""

import ast
import dataclasses
import functools
import importlib.util
import inspect
import os
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import tf_keras as keras

from tfgan2.optimizers.fused_adam import FusedAdam, PyTorchAdam
from tfgan2.optimizers.options import OptimizerOptions
from tfgan2.program import UsageError

PREFIX, FOR_ONE_REPLICA = "addons.", "SWA"
RULE = "must be a name such as adam or addons.LAMB, with its settings in parentheses"
# Arguments that a recipe must not set, with the reasons.
WITHHELD = {
    "learning_rate": "the learning rates have flags of their own",
    "name": "names are no part of a recipe",
    "jit_compile": "--jit_compile is for the whole step",
    "use_ema": "no sample would be drawn of it; --ema_half_life_images",
    "ema_momentum": "--ema_half_life_images",
    "ema_overwrite_frequency": "--ema_half_life_images",
    "start_averaging": "samples would be of weights 0 until then",
}
CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")

Value = bool | int | float | str | list | None


@dataclasses.dataclass(frozen=True)
class Description:
    """A parsed text: the name, the wrapped optimizer or None, and the settings."""

    name: str
    around: "Description | None"
    settings: Mapping[str, Value]


def make(
    text: str,
    options: OptimizerOptions,
    *,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    flag: str,
) -> keras.optimizers.Optimizer:
    """Creates an optimizer.

    Args:
      text: name with settings in parentheses, such as `addons.Lookahead(adam, sync_period=5)`;
        settings override `options`.
      options: beta1, beta2 and epsilon; each optimizer uses those that it has.
      learning_rate: a number, or a schedule over the optimizer's steps.
      flag: flag with the text, for error messages.

    Raises:
      UsageError: this line has no such optimizer, or the settings do not fit.
    """
    try:
        description = _describe(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError) as error:
        raise UsageError(flag, RULE, repr(text)) from error
    # Constructors have one of two names for each beta.
    numbers = {
        "learning_rate": learning_rate,
        **dict.fromkeys(("beta_1", "beta1"), options.adam_beta1),
        **dict.fromkeys(("beta_2", "beta2"), options.adam_beta2),
        "epsilon": options.adam_epsilon,
    }
    try:
        return _make(description, numbers, wrapped=False)
    except _Mistake as mistake:
        raise UsageError(flag, str(mistake), text) from mistake


def check(text: str, *, flag: str, replicas: int) -> None:
    """Checks that an optimizer can be created, and used with a number of replicas.

    Raises:
      UsageError: the optimizer cannot be created or used.
    """
    optimizer = make(text, OptimizerOptions(), learning_rate=1e-3, flag=flag)
    if replicas > 1 and type(optimizer).__name__ == FOR_ONE_REPLICA:
        # SWA's tf.function confuses mirrored variables of equal shape: all averages but the first
        # stay 0.
        rule = f"must not be {PREFIX}{FOR_ONE_REPLICA} with {replicas} replicas"
        raise UsageError(flag, rule, text)


class _Mistake(Exception):  # noqa: N818
    """A rule that a description breaks."""


def _describe(node: ast.expr) -> Description:
    """Converts a parsed text; raises ValueError if the text is no optimizer with settings."""
    if not isinstance(node, ast.Call):
        return Description(ast.unparse(node), None, {})
    if len(node.args) > 1:
        raise ValueError(node.args)
    around = _describe(node.args[0]) if node.args else None
    settings = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError(keyword)
        settings[keyword.arg] = ast.literal_eval(keyword.value)
    return Description(ast.unparse(node.func), around, settings)


def _make(
    description: Description, numbers: Mapping[str, Any], *, wrapped: bool
) -> keras.optimizers.Optimizer:
    kinds = _kinds(description.name, wrapped=wrapped)
    if description.name not in kinds:
        raise _Mistake(f"must be one of {', '.join(sorted(kinds))}")
    kind = kinds[description.name]
    known = inspect.signature(kind).parameters
    wraps = "optimizer" in known
    if wraps and wrapped:
        # The optimizer inside two wrappers would not count its steps.
        raise _Mistake("must have one wrapper at most")
    if wraps and description.around is None:
        example = f"{description.name}(adam)"
        raise _Mistake(f"must have in parentheses what it is put around, as {example}")
    if description.around is not None and not wraps:
        raise _Mistake(f"must have nothing put into {description.name} but name=value")
    arguments = {name: it for name, it in numbers.items() if name in known}
    if wraps and description.around is not None:
        arguments["optimizer"] = _make(description.around, numbers, wrapped=True)
    _check_settings(description, known)
    missing = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty
        and parameter.kind is not parameter.VAR_KEYWORD
        and name not in {**arguments, **description.settings}
    ]
    if missing:
        raise _Mistake(f"must have {missing[0]}, as {description.name}({missing[0]}=...)")
    try:
        return kind(**{**arguments, **description.settings})
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise _Mistake(f"must be what {description.name} takes ({reason})") from error


def _check_settings(description: Description, known: Mapping[str, inspect.Parameter]) -> None:
    free = [name for name in known if name not in {*WITHHELD, "optimizer", "kwargs", "use_locking"}]
    for name, value in description.settings.items():
        if name in WITHHELD:
            raise _Mistake(f"must not set {name} ({WITHHELD[name]})")
        if name not in free and name not in CLIPPING:
            listed = ", ".join(dict.fromkeys([*free, *CLIPPING]))
            raise _Mistake(f"must set nothing but {listed} of {description.name}")
        default = 0.0 if name in CLIPPING else known[name].default
        if type(default) in (int, float) and type(value) not in (int, float):
            raise _Mistake(f"must have a number for {name} of {description.name}")
        if type(default) is bool and type(value) is not bool:
            raise _Mistake(f"must have True or False for {name} of {description.name}")


def _kinds(name: str, *, wrapped: bool) -> dict[str, type]:
    """Optimizer classes by name, in which a name is looked up.

    Args:
      name: name of an optimizer; `addons.` selects the classes of TensorFlow Addons.
      wrapped: whether the optimizer is inside a wrapper, which accepts only legacy optimizers.
    """
    if name.startswith(PREFIX):
        found = _optimizers_in(_addons().optimizers)
        return {PREFIX + name: kind for name, kind in found.items()}
    module = keras.optimizers.legacy if wrapped else keras.optimizers
    kinds = {name.lower(): kind for name, kind in _optimizers_in(module).items()}
    return kinds if wrapped else {**kinds, "adam": FusedAdam, "pytorch_adam": PyTorchAdam}


def _optimizers_in(module: ModuleType) -> dict[str, type]:
    bases = (keras.optimizers.Optimizer, keras.optimizers.legacy.Optimizer)
    return {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and issubclass(kind, bases)
        and kind not in bases
        and not inspect.isabstract(kind)
    }


@functools.cache
def _addons() -> ModuleType:
    """Imports TensorFlow Addons without its end-of-life warning; the user has selected Addons."""
    if importlib.util.find_spec("tensorflow_addons") is None:
        raise _Mistake(
            "must be one of Keras's on this line; those of addons are on the TensorFlow Addons "
            "line (TensorFlow 2.15, docs/training.md)"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        addons = importlib.import_module("tensorflow_addons")
    if addons.optimizers.KerasLegacyOptimizer is not keras.optimizers.legacy.Optimizer:
        setting = os.environ.get("TF_USE_LEGACY_KERAS")
        raise _Mistake(
            "must come with TF_USE_LEGACY_KERAS=1 in the environment before TensorFlow is imported "
            f"(it is {setting}), so that TensorFlow Addons has the same Keras"
        )
    return addons
