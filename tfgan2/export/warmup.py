"""Warm-up records: requests that TensorFlow Serving runs before a version serves clients."""

import os
import pathlib
from collections.abc import Mapping

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

FILE = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"


def write(version_dir: str | os.PathLike, requests: Mapping[str, Mapping[str, tf.Tensor]]) -> None:
    """Writes the requests as warm-up records.

    Args:
      version_dir: folder of the SavedModel.
      requests: inputs by signature.
    """
    path = pathlib.Path(version_dir) / FILE
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
