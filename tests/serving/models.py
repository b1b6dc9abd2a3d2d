"""Tiny SavedModels."""

import pathlib
from collections.abc import Mapping

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2


class Doubler(tf.Module):
    """Doubles numbers, and returns its version."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = tf.Variable(version, dtype=tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2 * x, "version": tf.fill(tf.shape(x), self.version)}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def rows(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sums": tf.reduce_sum(x, 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def numbers(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """A text that is not a number fails the whole batch."""
        return {"number": tf.strings.to_number(text)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="data"),
            tf.TensorSpec([None, None], tf.int32, name="ids"),
        ]
    )
    def echo(self, data: tf.Tensor, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"data_bytes": data, "text": data, "ids": ids, "total": tf.reduce_sum(ids)[None]}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
    def scalar(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + 1}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def slow(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Multiplies matrices for a while, as many times as the sum of `x`."""
        count = tf.cast(tf.reduce_sum(x), tf.int32)
        square = tf.fill([200, 200], 0.001)
        last = tf.while_loop(lambda i, _: i < count, lambda i, s: (i + 1, s @ square), [0, square])
        return {"y": x + 0 * last[1][0, 0]}


def write_doubler(base_path: pathlib.Path, version: int = 1) -> pathlib.Path:
    """Writes a version like an exporter: under a temporary name, then renamed."""
    module = Doubler(version)
    signatures = {
        "serving_default": module.double,
        "rows": module.rows,
        "numbers": module.numbers,
        "echo": module.echo,
        "scalar": module.scalar,
        "slow": module.slow,
    }
    written = base_path / f".partial-{version}"
    tf.saved_model.save(module, str(written), signatures=signatures)
    return written.rename(base_path / str(version))


def write_dtypes(base_path: pathlib.Path, dtypes: list[tf.DType]) -> None:
    """Writes a model that returns its input: one signature per dtype."""
    module = tf.Module()
    signatures = {
        dtype.name: tf.function(
            lambda x: {"y": tf.identity(x)}, input_signature=[tf.TensorSpec([None], dtype, "x")]
        )
        for dtype in dtypes
    }
    module.functions = list(signatures.values())
    tf.saved_model.save(module, str(base_path / "1"), signatures=signatures)


def write_tf1(base_path: pathlib.Path) -> None:
    """Writes a model in TensorFlow 1 style."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 1], name="x")
        weight = tf.compat.v1.get_variable("weight", initializer=3.0)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(
            session, str(base_path / "1"), inputs={"x": x}, outputs={"y": weight * x}
        )


def write_warmup(version_path: pathlib.Path, records: list[bytes]) -> None:
    """Writes warm-up records, which may be broken."""
    path = version_path / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def warmup_record(signature: str, inputs: Mapping[str, object]) -> bytes:
    """A warm-up record for a signature."""
    log = prediction_log_pb2.PredictLog(request=predict_request("", inputs, signature=signature))
    return prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString()


def predict_request(
    model: str, inputs: Mapping[str, object], *, signature: str = ""
) -> predict_pb2.PredictRequest:
    """A request; lists of floats become float32."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
