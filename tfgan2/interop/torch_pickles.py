"""Interprets the pickles in PyTorch's files without importing modules or building classes."""

import dataclasses
import pathlib
import pickletools
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, NoReturn

import numpy as np

from tfgan2.interop.torch_storages import KINDS, Storage
from tfgan2.program import UsageError

MAX_DEPTH = 100
MAX_SHARING = 10

KEY_TYPES = (str, int, float, bool, type(None))
PLAIN_TYPES = (*KEY_TYPES, dict, list, tuple, np.ndarray)

# Opcodes whose argument is the value to push.
LITERALS = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    }
)
DTYPE_NAMES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


@dataclasses.dataclass(frozen=True)
class Function:
    """A function that a pickle may call."""

    call: Callable[..., Any]


def load(stream: BinaryIO, *, path: pathlib.Path, find_storage: Callable[[Any], Storage]) -> Any:
    """Reads one pickle; the stream is then at the end of the pickle.

    Args:
      stream: stream that starts with the pickle.
      path: path of the file, for error messages.
      find_storage: returns the storage of a persistent id.

    Returns:
      dict, list, tuple, str, int, float, bool, None or NumPy array.

    Raises:
      UsageError: the pickle needs other types.
      Exception: of nearly any type, if the pickle is damaged.
    """
    machine = _Machine(path, find_storage)
    steps = 0
    for opcode, argument, _ in pickletools.genops(stream):
        machine.step(opcode.name, argument)
        steps += 1
    (value,) = machine.stack
    _check_plain(value, limit=MAX_SHARING * steps)
    return value


@dataclasses.dataclass
class _Machine:
    path: pathlib.Path
    find_storage: Callable[[Any], Storage]
    stack: list[Any] = dataclasses.field(default_factory=list)
    below_marks: list[list[Any]] = dataclasses.field(default_factory=list)
    memo: dict[int, Any] = dataclasses.field(default_factory=dict)

    def step(self, opcode: str, argument: Any) -> None:
        match opcode:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _ if opcode in LITERALS:
                self._push(argument)
            case _ if opcode in CONSTANTS:
                self._push(CONSTANTS[opcode])
            case "EMPTY_LIST":
                self._push([])
            case "EMPTY_DICT":
                self._push({})
            case "MARK":
                self.below_marks.append(self.stack)
                self.stack = []
            case "TUPLE":
                self._push(tuple(self._pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._push(tuple(self._pop(int(opcode[-1]))))
            case "APPEND":
                self._append(self._pop(1))
            case "APPENDS":
                self._append(self._pop_to_mark())
            case "SETITEM":
                self._set(self._pop(2))
            case "SETITEMS":
                self._set(self._pop_to_mark())
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self._push(self.memo[argument])
            case "GLOBAL":
                self._push_global(argument.replace(" ", "."))
            case "STACK_GLOBAL":
                self._push_global(".".join(self._pop(2)))
            case "BINPERSID":
                self._push(self.find_storage(*self._pop(1)))
            case "REDUCE":
                self._push(_call(*self._pop(2)))
            case "BUILD":
                self._build(*self._pop(1))
            case _:
                self._refuse(opcode)

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError(f"{count} values asked for, {len(self.stack)} on the stack")
        popped = self.stack[-count:]
        del self.stack[-count:]
        return popped

    def _pop_to_mark(self) -> list[Any]:
        popped, self.stack = self.stack, self.below_marks.pop()
        return popped

    def _append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError(f"items for a {type(target).__name__}")
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise ValueError(f"keys for a {type(target).__name__}")
        _update(target, zip(items[::2], items[1::2], strict=True))

    def _push_global(self, name: str) -> None:
        if name not in GLOBALS:
            self._refuse(name)
        self._push(GLOBALS[name])

    def _build(self, state: Any) -> None:
        # A state dict has its modules' versions as an attribute; they are not weights.
        if type(self.stack[-1]) is not dict or type(state) is not dict:
            self._refuse(f"attributes of a {type(self.stack[-1]).__name__}")

    def _refuse(self, name: str) -> NoReturn:
        rule = "must hold tensors, dicts, lists, tuples, strings and numbers alone"
        raise UsageError(str(self.path), rule, repr(name[:100]))


def _call(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Function) or type(arguments) is not tuple:
        raise ValueError(f"a call of a {type(function).__name__}")
    return function.call(*arguments)


def _update(target: dict[Any, Any], items: Iterable[tuple[Any, Any]]) -> None:
    for key, item in items:
        if type(key) not in KEY_TYPES:
            raise ValueError(f"a dict's key of type {type(key).__name__}")
        target[key] = item


def _check_plain(value: Any, *, limit: int) -> None:
    """Raises for values that are not plain data, or far larger than their pickle allows."""
    pending = [(value, 0)]
    count = 0
    while pending:
        value, depth = pending.pop()
        count += 1
        if type(value) not in PLAIN_TYPES:
            raise ValueError("a class, function or storage on its own")
        if depth > MAX_DEPTH or count + len(pending) > limit:
            raise ValueError("containers that hold themselves, or nest or repeat too often")
        items = value.values() if type(value) is dict else value
        if type(value) in (dict, list, tuple):
            pending.extend((item, depth + 1) for item in items)


def _ordered_dict(items: Any = ()) -> dict[Any, Any]:
    """Makes a dict; Python 2 passes the items here, Python 3 sets them later."""
    if type(items) not in (list, tuple):
        raise ValueError(f"an OrderedDict of a {type(items).__name__}")
    target: dict[Any, Any] = {}
    _update(target, items)
    return target


def _size(sizes: Any) -> tuple[Any, ...]:
    if type(sizes) is not tuple:
        raise ValueError(f"a Size of a {type(sizes).__name__}")
    return sizes


def _tensor(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    backward_hooks: Any = None,
    metadata: Any = None,
) -> np.ndarray:
    """Makes an array; ignores training attributes, refuses metadata that changes the values."""
    if not isinstance(storage, Storage) or metadata:
        raise ValueError("a tensor without a storage, or a negated or conjugated one")
    return storage.tensor(storage_offset, size, stride)


def _parameter(data: Any, requires_grad: Any, backward_hooks: Any) -> np.ndarray:
    if not isinstance(data, np.ndarray):
        raise ValueError(f"a Parameter of a {type(data).__name__}")
    return data


GLOBALS: dict[str, Any] = {
    "collections.OrderedDict": Function(_ordered_dict),
    "torch.Size": Function(_size),
    "torch._utils._rebuild_parameter": Function(_parameter),
    "torch._utils._rebuild_tensor": Function(_tensor),
    "torch._utils._rebuild_tensor_v2": Function(_tensor),
    **{f"torch.{name}": f"torch.{name}" for name in DTYPE_NAMES},
    **{f"torch.{name}Storage": kind for name, kind in KINDS.items()},
    **{f"torch.cuda.{name}Storage": kind for name, kind in KINDS.items()},
}
