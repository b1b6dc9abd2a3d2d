"""Warm-up records: requests that run before a version serves clients."""

from collections.abc import Callable, Iterator

import grpc
import tensorflow as tf
from absl import logging
from google.protobuf import message
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.server.status import StatusError, invalid_argument

MOST_RECORDS = 1000
_FILE = "assets.extra/tf_serving_warmup_requests"
_SKIPPED = ("classify_log", "regress_log", "multi_inference_log")


def replay(
    path: str, run: Callable[[predict_pb2.PredictRequest], object], *, iterations: int
) -> int:
    """Runs the warm-up requests of a version.

    Args:
      path: folder of the version.
      run: called with each request.
      iterations: runs of each request.

    Returns:
      The number of records; 0 without a file.

    Raises:
      StatusError: a record is broken, its request fails, or the file has more than 1,000 records.
    """
    file = tf.io.gfile.join(path, _FILE)
    if not tf.io.gfile.exists(file):
        logging.info("No warmup data file found at %s", file)
        return 0
    logging.info("Starting to read warmup data for model at %s", file)
    count = 0
    for log in _read(file):
        count += 1
        if count > MOST_RECORDS:
            text = f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {file}"
            raise invalid_argument(text)
        kind = log.WhichOneof("log_type")
        if kind == "predict_log":
            for _ in range(iterations):
                run(log.predict_log.request)
        elif kind in _SKIPPED:
            logging.warning("Skipped a warmup record of the kind %s in %s", kind, file)
        else:
            text = f"Unsupported log_type for warmup: {kind}"
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, text)
    logging.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d.",
        file,
        count,
    )
    return count


def _read(file: str) -> Iterator[prediction_log_pb2.PredictionLog]:
    try:
        for record in tf.data.TFRecordDataset(file):
            yield prediction_log_pb2.PredictionLog.FromString(record.numpy())
    except message.DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record at {file}") from error
    except tf.errors.DataLossError as error:
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError(grpc.StatusCode.DATA_LOSS, text) from error
