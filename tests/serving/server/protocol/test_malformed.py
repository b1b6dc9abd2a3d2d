"""Malformed requests are refused, and the server keeps working."""

import contextlib
import pathlib
import random
import socket
from collections.abc import Iterator

import grpc
import pytest

from serving.server.execution.batch_options import BatchOptions
from serving.server.protocol.model_server import ServerOptions
from tests.serving.models import predict_request
from tests.serving.servers import Served, serve

METHODS = [
    "PredictionService/Predict",
    "PredictionService/GetModelMetadata",
    "ModelService/GetModelStatus",
]
REFUSED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}


@pytest.fixture(scope="module")
def served(doubler_versions: pathlib.Path) -> Iterator[Served]:
    options, batching = (
        ServerOptions(host="127.0.0.1", port=0, rest_port=0),
        BatchOptions(threads=2),
    )
    with serve({"m": doubler_versions}, batching=batching, options=options) as running:
        yield running


def answers(served: Served) -> bool:
    response = served.predictions.Predict(predict_request("m", {"x": [1.0]}))
    return list(response.outputs["y"].float_val) == [2.0]


def mutated(message: bytes, chance: random.Random) -> bytes:
    """A message with some bytes changed, cut out or doubled."""
    changed = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed) or 1)
        end = place + chance.randint(1, 6)
        kind = chance.choice(["change", "cut", "double", "end"])
        if kind == "change" and changed:
            changed[place] = chance.randrange(256)
        elif kind == "cut":
            del changed[place:end]
        elif kind == "double":
            changed[place:place] = changed[place:end]
        else:
            del changed[end:]
    return bytes(changed)


def test_broken_messages_get_the_matching_error(served: Served) -> None:
    chance = random.Random(0)
    good = [
        predict_request("m", {"x": [1.0, 2.0]}),
        predict_request("m", {"x": [[1.0, 2.0]]}, signature="rows"),
        predict_request("m", {"data": [b"a", b"b"], "ids": [[1], [2]]}, signature="echo"),
    ]
    codes = set()
    for number in range(300):
        content = mutated(good[number % len(good)].SerializeToString(), chance)
        call = served.channel.unary_unary(f"/tensorflow.serving.{chance.choice(METHODS)}")
        try:
            call(content, timeout=60)
        except grpc.RpcError as error:
            codes.add(error.code())
    # Bytes that are no message end as INTERNAL.
    assert codes <= REFUSED | {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED}
    assert codes & REFUSED
    assert answers(served)


def test_errors_truncate_huge_names(served: Served) -> None:
    huge = "x" * 2**20
    request = predict_request(huge, {"x": [1.0]})
    with pytest.raises(grpc.RpcError) as caught:
        served.predictions.Predict(request)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert len(caught.value.details()) == 1024 + len("...TRUNCATED")
    request = predict_request("m", {huge: [1.0]}, signature=huge)
    with pytest.raises(grpc.RpcError) as caught:
        served.predictions.Predict(request)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert answers(served)


def test_unknown_names_add_no_metrics(served: Served) -> None:
    def lines() -> int:
        return len(served.metrics.text().splitlines())

    with contextlib.suppress(grpc.RpcError):
        served.predictions.Predict(predict_request("unknown", {"x": [1.0]}))
    before = lines()
    for number in range(20):
        with contextlib.suppress(grpc.RpcError):
            served.predictions.Predict(predict_request(f"unknown{number}", {"x": [1.0]}))
    assert lines() == before


CUT_OFF = [
    b"",
    b"\x00" * 1000,
    b"GET / HTTP/1.1\r\n",
    b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 10\r\n\r\n{",
    b"POST /v1/models/m:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x12\x01",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
]


@pytest.mark.parametrize("port", ["port", "rest_port"])
def test_interrupted_connections_do_not_affect_other_calls(port: str, served: Served) -> None:
    address = ("127.0.0.1", getattr(served.server, port))
    for content in CUT_OFF * 3:
        # The server may close it before all has been sent.
        with contextlib.suppress(ConnectionError), socket.create_connection(address) as connection:
            connection.sendall(content)
        assert answers(served)
