"""Protobuf messages in files: the records of TFRecords, and the signatures of a SavedModel."""

from serving.wire import descriptors

# Contains only the fields that this package reads or writes.
_MESSAGES = {
    "tensorflow.BytesList": [(1, "value", "*bytes")],
    "tensorflow.Int64List": [(1, "value", "*int64")],
    "tensorflow.Feature": [
        (1, "bytes_list", "tensorflow.BytesList"),
        (3, "int64_list", "tensorflow.Int64List"),
    ],
    "tensorflow.Features": [(1, "feature", "map tensorflow.Feature")],
    "tensorflow.Example": [(1, "features", "tensorflow.Features")],
    "tensorflow.TensorInfo": [(1, "name", "string")],
    "tensorflow.SignatureDef": [
        (1, "inputs", "map tensorflow.TensorInfo"),
        (2, "outputs", "map tensorflow.TensorInfo"),
    ],
    "tensorflow.MetaGraphDef": [(5, "signature_def", "map tensorflow.SignatureDef")],
    "tensorflow.SavedModel": [(2, "meta_graphs", "*tensorflow.MetaGraphDef")],
}

_classes = descriptors.make_classes(_MESSAGES)
Example = _classes["Example"]
SavedModel = _classes["SavedModel"]
