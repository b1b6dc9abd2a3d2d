"""Message classes of TensorFlow Serving's protocol, built at run time in a pool of their own.

Generated code binds to one major version of protobuf, and in a process that also imports
TensorFlow it would register the same messages twice.
"""

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

# Message: fields as (number, name, type); `*` marks repeated ones, `map` maps from strings. Enums
# are told as int32, which is the same on the wire. Fields that no client reads are left out.
_MESSAGES = {
    "google.protobuf.Int64Value": [(1, "value", "int64")],
    "tensorflow.TensorShapeProto.Dim": [(1, "size", "int64"), (2, "name", "string")],
    "tensorflow.TensorShapeProto": [
        (2, "dim", "*tensorflow.TensorShapeProto.Dim"),
        (3, "unknown_rank", "bool"),
    ],
    "tensorflow.TensorProto": [
        (1, "dtype", "int32"),
        (2, "tensor_shape", "tensorflow.TensorShapeProto"),
        (4, "tensor_content", "bytes"),
        (5, "float_val", "*float"),
        (6, "double_val", "*double"),
        (7, "int_val", "*int32"),
        (8, "string_val", "*bytes"),
        (10, "int64_val", "*int64"),
        (11, "bool_val", "*bool"),
        (13, "half_val", "*int32"),
        (16, "uint32_val", "*uint32"),
        (17, "uint64_val", "*uint64"),
    ],
    "tensorflow.serving.ModelSpec": [
        (1, "name", "string"),
        (2, "version", "google.protobuf.Int64Value"),
        (3, "signature_name", "string"),
        (4, "version_label", "string"),
    ],
    "tensorflow.serving.PredictRequest": [
        (1, "model_spec", "tensorflow.serving.ModelSpec"),
        (2, "inputs", "map tensorflow.TensorProto"),
        (3, "output_filter", "*string"),
    ],
    "tensorflow.serving.PredictResponse": [
        (1, "outputs", "map tensorflow.TensorProto"),
        (2, "model_spec", "tensorflow.serving.ModelSpec"),
    ],
    "tensorflow.serving.GetModelStatusRequest": [
        (1, "model_spec", "tensorflow.serving.ModelSpec"),
    ],
    "tensorflow.serving.StatusProto": [(1, "error_code", "int32"), (2, "error_message", "string")],
    "tensorflow.serving.ModelVersionStatus": [
        (1, "version", "int64"),
        (2, "state", "int32"),
        (3, "status", "tensorflow.serving.StatusProto"),
    ],
    "tensorflow.serving.GetModelStatusResponse": [
        (1, "model_version_status", "*tensorflow.serving.ModelVersionStatus"),
    ],
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


def _make_classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    placed: dict[str, descriptor_pb2.DescriptorProto] = {}
    # A message stands within another, or else in the file of its package.
    for full_name in sorted(_MESSAGES, key=lambda name: name.count(".")):
        scope, _, name = full_name.rpartition(".")
        if scope in placed:
            message = placed[scope].nested_type.add(name=name)
        else:
            if scope not in files:
                files[scope] = descriptor_pb2.FileDescriptorProto(
                    name=f"{scope}.wire.proto", package=scope, syntax="proto3"
                )
            message = files[scope].message_type.add(name=name)
        placed[full_name] = message
        for field in _MESSAGES[full_name]:
            _add_field(message, full_name, *field)
    order = ["google.protobuf", "tensorflow", "tensorflow.serving"]
    for position, package in enumerate(order):
        files[package].dependency.extend(files[needed].name for needed in order[:position])
        pool.Add(files[package])
    return {
        name.rpartition(".")[2]: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in _MESSAGES
    }


_classes = _make_classes()
TensorProto = _classes["TensorProto"]
PredictRequest = _classes["PredictRequest"]
PredictResponse = _classes["PredictResponse"]
GetModelStatusRequest = _classes["GetModelStatusRequest"]
GetModelStatusResponse = _classes["GetModelStatusResponse"]
