"""Configuration messages of TensorFlow Serving that its API package does not contain."""

from serving.wire import descriptors

_WRAPPED = {
    "google.protobuf.Int64Value": [(1, "value", "int64")],
    "google.protobuf.StringValue": [(1, "value", "string")],
    "google.protobuf.BoolValue": [(1, "value", "bool")],
}
_MESSAGES = {
    **_WRAPPED,
    "tensorflow.serving.BatchingParameters": [
        (1, "max_batch_size", "google.protobuf.Int64Value"),
        (2, "batch_timeout_micros", "google.protobuf.Int64Value"),
        (3, "max_enqueued_batches", "google.protobuf.Int64Value"),
        (4, "num_batch_threads", "google.protobuf.Int64Value"),
        (5, "thread_pool_name", "google.protobuf.StringValue"),
        (6, "allowed_batch_sizes", "*int64"),
        (7, "pad_variable_length_inputs", "bool"),
        (8, "enable_large_batch_splitting", "google.protobuf.BoolValue"),
        (9, "max_execution_batch_size", "google.protobuf.Int64Value"),
    ],
    "tensorflow.serving.PrometheusConfig": [(1, "enable", "bool"), (2, "path", "string")],
    "tensorflow.serving.MonitoringConfig": [
        (1, "prometheus_config", "tensorflow.serving.PrometheusConfig")
    ],
    "tensorflow.serving.SSLConfig": [
        (1, "server_key", "string"),
        (2, "server_cert", "string"),
        (3, "custom_ca", "string"),
        (4, "client_verify", "bool"),
    ],
}
_classes = descriptors.make_classes(_MESSAGES)
BatchingParameters = _classes["BatchingParameters"]
MonitoringConfig = _classes["MonitoringConfig"]
SSLConfig = _classes["SSLConfig"]
