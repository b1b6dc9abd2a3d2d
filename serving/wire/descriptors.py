"""Builds protobuf message classes from a table, in a separate descriptor pool.

Generated code requires one major version of protobuf. In a process that also imports TensorFlow,
generated code would register the same messages twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


def make_classes(messages: Mapping[str, Sequence[tuple[int, str, str]]]) -> dict[str, Any]:
    """Builds message classes.

    Args:
      messages: the fields of each message by its full name, as (number, name, type). The type
        prefix `*` means repeated, `map` a map from strings. A message may use types of its own and
        of earlier packages.

    Returns:
      The classes by name without package.
    """
    pool = descriptor_pool.DescriptorPool()
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    placed: dict[str, descriptor_pb2.DescriptorProto] = {}
    # Put each message into its parent message, or into the file of its package.
    for full_name, fields in messages.items():
        scope, _, name = full_name.rpartition(".")
        if scope in placed:
            message = placed[scope].nested_type.add(name=name)
        else:
            if scope not in files:
                files[scope] = descriptor_pb2.FileDescriptorProto(
                    name=f"{scope}.wire.proto",
                    package=scope,
                    syntax="proto3",
                    dependency=[file.name for file in files.values()],
                )
            message = files[scope].message_type.add(name=name)
        placed[full_name] = message
        for field in fields:
            _add_field(message, full_name, *field)
    for file in files.values():
        pool.Add(file)
    return {
        name.rpartition(".")[2]: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in messages
    }


def _add_field(
    message: descriptor_pb2.DescriptorProto, full_name: str, number: int, name: str, kind: str
) -> None:
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind.startswith("*"):
        field.label, kind = _Field.LABEL_REPEATED, kind[1:]
    elif kind.startswith("map "):
        entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _add_field(entry, f"{full_name}.{entry_name}", 1, "key", "string")
        _add_field(entry, f"{full_name}.{entry_name}", 2, "value", kind.removeprefix("map "))
        field.label, kind = _Field.LABEL_REPEATED, f"{full_name}.{entry_name}"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{kind}"
