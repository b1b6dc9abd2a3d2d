"""Warm-up records: requests that TensorFlow Serving runs before a version takes any."""

import os
import pathlib

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

FILE = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"
SEED = 0


def write(version_dir: str | os.PathLike, *, caption: str, sentence_size: int) -> None:
    """Writes a request of one row for every signature.

    Args:
      version_dir: of the SavedModel.
      caption: what the requests ask for.
      sentence_size: length of a sentence vector.
    """
    inputs = {
        "caption": tf.constant([caption]),
        "seed": tf.constant([SEED], tf.int64),
        "truncation": tf.constant([0.0]),
        "sentence": tf.zeros([1, sentence_size]),
    }
    requests = {
        "serving_default": ("caption",),
        "generate": ("caption", "seed", "truncation"),
        "pixels": ("caption", "seed", "truncation"),
        "embed": ("caption",),
        "draw": ("sentence", "seed", "truncation"),
    }
    path = pathlib.Path(version_dir) / FILE
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, names in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            for name in names:
                request.inputs[name].CopyFrom(tf.make_tensor_proto(inputs[name]))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
