"""The messages of TensorFlow Serving's protocol that the client uses."""

from serving.wire import descriptors

# Enums are declared as int32, which has the same encoding. Fields that no client reads are omitted.
_MESSAGES = {
    "google.protobuf.Int64Value": [(1, "value", "int64")],
    "google.protobuf.Any": [(1, "type_url", "string"), (2, "value", "bytes")],
    "tensorflow.TensorShapeProto": [
        (2, "dim", "*tensorflow.TensorShapeProto.Dim"),
        (3, "unknown_rank", "bool"),
    ],
    "tensorflow.TensorShapeProto.Dim": [(1, "size", "int64"), (2, "name", "string")],
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
    "tensorflow.TensorInfo": [(1, "name", "string"), (2, "dtype", "int32")],
    "tensorflow.SignatureDef": [
        (1, "inputs", "map tensorflow.TensorInfo"),
        (2, "outputs", "map tensorflow.TensorInfo"),
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
    "tensorflow.serving.SignatureDefMap": [(1, "signature_def", "map tensorflow.SignatureDef")],
    "tensorflow.serving.GetModelMetadataRequest": [
        (1, "model_spec", "tensorflow.serving.ModelSpec"),
        (2, "metadata_field", "*string"),
    ],
    "tensorflow.serving.GetModelMetadataResponse": [
        (1, "model_spec", "tensorflow.serving.ModelSpec"),
        (2, "metadata", "map google.protobuf.Any"),
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

_classes = descriptors.make_classes(_MESSAGES)
TensorProto = _classes["TensorProto"]
PredictRequest = _classes["PredictRequest"]
PredictResponse = _classes["PredictResponse"]
SignatureDefMap = _classes["SignatureDefMap"]
GetModelMetadataRequest = _classes["GetModelMetadataRequest"]
GetModelMetadataResponse = _classes["GetModelMetadataResponse"]
GetModelStatusRequest = _classes["GetModelStatusRequest"]
GetModelStatusResponse = _classes["GetModelStatusResponse"]
