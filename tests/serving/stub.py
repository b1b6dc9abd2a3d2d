"""A gRPC server that answers Predict like a caption model, and keeps the requests."""

import collections
import io
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager

import grpc
import numpy as np
from PIL import Image
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

SERVICE = "tensorflow.serving.PredictionService"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
FRESH_SEED = 77
VERSION = 3


def picture(seed: int) -> np.ndarray:
    """The picture of a seed: uint8 [2, 3, 3], different for each seed up to 255."""
    return np.full([2, 3, 3], seed % 256, np.uint8)


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(content, "PNG")
    return content.getvalue()


def tensor(dtype: int, count: int, **values: object) -> tensor_pb2.TensorProto:
    """A tensor [count] of tensorflow-serving-api's own messages."""
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=count)]
    )
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, **values)


class Stub:
    """Answers Predict like a caption model.

    Attributes:
      requests: bytes of the received requests.
      metadata: metadata of each request.
      remaining_seconds: time until the deadline of each request.
      failures: status codes of the next calls.
      answer: PNG to send instead of the pictures of the seeds.
      packed: sends numbers as tensor_content.
      stuck: holds Predict calls until the client cancels.
      silent: holds GetModelMetadata calls too.
      given_up: set when a client has cancelled a held call.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.remaining_seconds: list[float] = []
        self.failures: collections.deque[grpc.StatusCode] = collections.deque()
        self.answer: bytes | None = None
        self.packed = False
        self.stuck = self.silent = False
        self.received, self.given_up = threading.Event(), threading.Event()

    def fail(self, *codes: grpc.StatusCode) -> None:
        self.failures.extend(codes)

    def predict(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        self.requests.append(content)
        self.metadata.append(dict(context.invocation_metadata()))
        self.remaining_seconds.append(context.time_remaining())
        self.received.set()
        if self.stuck:
            context.add_callback(self.given_up.set)
            self.given_up.wait()
        if self.failures:
            context.abort(self.failures.popleft(), "as the test says")
        request = predict_pb2.PredictRequest.FromString(content)
        fresh = "seed" not in request.inputs
        count = request.inputs["caption"].tensor_shape.dim[0].size
        seeds = [FRESH_SEED] * count if fresh else list(request.inputs["seed"].int64_val)
        pictures = [self.answer or png(picture(seed)) for seed in seeds]
        response = predict_pb2.PredictResponse()
        response.model_spec.version.value = VERSION
        outputs = {
            "image_bytes": tensor(types_pb2.DT_STRING, count, string_val=pictures),
            "unknown_words": self._numbers(types_pb2.DT_INT32, "int_val", range(count)),
        }
        if fresh:
            outputs["seed"] = self._numbers(types_pb2.DT_INT64, "int64_val", seeds)
        for name, proto in outputs.items():
            response.outputs[name].CopyFrom(proto)
        return response.SerializeToString()

    def describe(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        if self.silent:
            self.given_up.wait()
        request = get_model_metadata_pb2.GetModelMetadataRequest.FromString(content)
        names = {
            "caption": types_pb2.DT_STRING,
            "seed": types_pb2.DT_INT64,
            "truncation": types_pb2.DT_FLOAT,
        }
        signatures = get_model_metadata_pb2.SignatureDefMap()
        generate = signatures.signature_def["generate"]
        for name, dtype in names.items():
            generate.inputs[name].dtype = dtype
        generate.outputs["image_bytes"].dtype = types_pb2.DT_STRING
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = VERSION
        response.metadata["signature_def"].Pack(signatures)
        return response.SerializeToString()

    def _numbers(self, dtype: int, field: str, values: Sequence[int]) -> tensor_pb2.TensorProto:
        if not self.packed:
            return tensor(dtype, len(values), **{field: values})
        kind = {types_pb2.DT_INT32: np.int32, types_pb2.DT_INT64: np.int64}[dtype]
        content = np.array(values, kind).tobytes()
        return tensor(dtype, len(values), tensor_content=content)


@contextmanager
def serve(stub: Stub, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Yields host:port, where the stub answers.

    IPv4 only: a port that is free at ::1 may be in use at 127.0.0.1.
    """
    server = grpc.server(futures.ThreadPoolExecutor(4), options=UNLIMITED)
    handlers = {
        "Predict": grpc.unary_unary_rpc_method_handler(stub.predict),
        "GetModelMetadata": grpc.unary_unary_rpc_method_handler(stub.describe),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(0).wait()
