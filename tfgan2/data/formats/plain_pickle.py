"""Reads pickles, including Python 2's, of lists, dicts, strings and numbers only."""

import io
import pathlib
import pickle
import pickletools
from collections.abc import Iterator
from typing import Any, NoReturn

from tfgan2.program import UsageError

# Opcodes that build plain data, without those that import, call or extend.
PLAIN_OPCODES = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE"),
        *("PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2"),
        *("LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    }
)
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
PUTS = ("PUT", "BINPUT", "LONG_BINPUT")


def read(path: pathlib.Path) -> Any:
    """Reads a pickle of plain data; bytes of Python 2's strings become characters (latin-1).

    Raises:
      UsageError: the file cannot be read, is no pickle, or needs more than plain data.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(str(path), "must be a readable pickle", error.strerror) from error
    try:
        for opcode, argument in _opcodes(content):
            if opcode not in PLAIN_OPCODES:
                rule = "must be a pickle of lists, dicts, strings and numbers alone"
                found = opcode if argument is None else f"{opcode} {argument}"
                raise UsageError(str(path), rule, found[:100])
            # Unpickling allocates memo entries up to the highest index, for any size of the file.
            if opcode in PUTS and argument > len(content):
                raise ValueError(f"memo place {argument} in {len(content)} bytes")
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except UsageError:
        raise
    except Exception as error:  # A damaged pickle raises errors of nearly any type.
        raise UsageError(str(path), "must be a whole pickle", repr(error)[:200]) from error


def _opcodes(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yields the names and arguments of a pickle's opcodes."""
    stream = io.BytesIO(content)
    name = ""
    while name != "STOP":
        opcode = OPCODES[stream.read(1).decode("latin-1")]
        name, argument = opcode.name, None
        if name == "STRING":  # The reader in pickletools accepts only ASCII.
            argument = stream.readline()
        elif opcode.arg is not None:
            argument = opcode.arg.reader(stream)
        yield name, argument


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")
