"""REST: rows and columns, binary values, status, metadata, errors, metrics."""

import base64
import contextlib
import errno
import gzip
import http.client
import json
import pathlib
import socket
from collections.abc import Iterator, Mapping

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import meta_graph_pb2

from serving.http_connections import ConnectionLimits
from serving.server.lifecycle.model_config import ModelConfig
from serving.server.monitoring import Counter, Histogram
from serving.server.protocol import rest_json
from serving.server.protocol.model_server import ServerOptions
from serving.server.protocol.rest import RestOptions
from serving.server.status import StatusError
from tests.serving import models
from tests.serving.servers import Served, serve

METRICS = "/monitoring/prometheus/metrics"


@pytest.fixture(scope="module")
def served(
    doubler_versions: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    half = tmp_path_factory.mktemp("half")
    models.write_dtypes(half, [tf.float16])
    listed = [
        ModelConfig(name="m", base_path=str(doubler_versions)),
        ModelConfig(name="a/b", base_path=str(doubler_versions)),
        ModelConfig(name="half", base_path=str(half)),
    ]
    rest = RestOptions(metrics_path=METRICS, cors=True)
    options = ServerOptions(host="127.0.0.1", port=0, rest_port=0, rest=rest)
    with serve(listed, options=options) as running:
        labelled = ModelConfig(name="m", base_path=str(doubler_versions), labels={"stable": 2})
        running.manager.configure([labelled, *listed[1:]])
        yield running


def send(
    served: Served,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, str, http.client.HTTPMessage]:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", served.server.rest_port, timeout=60)
    ) as connection:
        sent = body if isinstance(body, bytes | None) else json.dumps(body)
        connection.request(method, path, sent, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace"), response.headers


def predict(served: Served, body: object, path: str = "/v1/models/m") -> object:
    code, text, _ = send(served, "POST", f"{path}:predict", body)
    assert code == 200, text
    return json.loads(text)


def test_rows_and_columns(served: Served) -> None:
    rows = predict(served, {"instances": [0.05, 1.5]})
    assert rows == {"predictions": [{"y": 0.1, "version": 2}, {"y": 3.0, "version": 2}]}
    named = predict(served, {"instances": [{"x": 1}]})
    assert named == {"predictions": [{"y": 2.0, "version": 2}]}
    columns = predict(served, {"inputs": {"x": [1, 2]}})
    assert columns == {"outputs": {"y": [2.0, 4.0], "version": [2, 2]}}
    single = predict(served, {"signature_name": "rows", "instances": [[1, 2], [3, 4]]})
    assert single == {"predictions": [3.0, 7.0]}
    bare = predict(served, {"signature_name": "rows", "inputs": [[1, 2]]})
    assert bare == {"outputs": [3.0]}


def test_bytes_travel_as_base64_and_text_as_itself(served: Served) -> None:
    data = [{"b64": base64.b64encode(bytes(range(256))).decode()}, "né"]
    inputs = {"data": data, "ids": [[1], [2]]}
    answer = predict(served, {"signature_name": "echo", "inputs": {**inputs, "data": ["né"] * 2}})
    assert answer["outputs"]["text"] == ["né", "né"]
    assert answer["outputs"]["data_bytes"] == [{"b64": "bsOp"}] * 2
    code, text, _ = send(
        served, "POST", "/v1/models/m:predict", {"signature_name": "echo", "inputs": inputs}
    )
    assert code == 200
    assert json.loads(text)["outputs"]["data_bytes"][0] == data[0]


def test_versions_labels_and_names_that_are_escaped(served: Served) -> None:
    for path in ("/v1/models/m/versions/2", "/V1/Models/m/labels/stable", "/v1/models/a%2Fb"):
        assert predict(served, {"instances": [1.0]}, path)["predictions"][0]["y"] == 2.0


def test_an_empty_signature_name_is_the_default(served: Served) -> None:
    answer = predict(served, {"signature_name": "", "instances": [1.0]})
    assert answer == predict(served, {"instances": [1.0]})


@pytest.mark.parametrize(
    ("sent", "data"),
    [("YQ==", b"a"), ("YQ", b"a"), ("YWI", b"ab"), ("YQ..", b"a"), (" Y\tQ\r\n=\n=", b"a"),
     ("YWJj\r\nZGVm", b"abcdef"), ("", b"")],
)  # fmt: skip
def test_base64_may_have_line_breaks_and_no_padding(sent: str, data: bytes) -> None:
    arrays = rest_json.read_inputs({"inputs": {"x": 1, "s": [{"b64": sent}]}}, SIGNATURE)
    assert arrays["s"].tolist() == [data]


@pytest.mark.parametrize("sent", ["Y", "YQ=", "YQ===", "Y=Q", "-_==", "YW\u2003I=", 1, None])
def test_other_base64_is_refused(sent: object) -> None:
    with pytest.raises(StatusError, match="Unable to base64 decode"):
        rest_json.read_inputs({"inputs": {"x": 1, "s": [{"b64": sent}]}}, SIGNATURE)


@pytest.mark.parametrize("number", [2**24 - 1, 1 - 2**24, 2.0**24, 1e38, -3e38, 2**70])
def test_numbers_that_a_float_holds_are_read(number: float) -> None:
    arrays = rest_json.read_inputs({"inputs": {"x": number, "s": "a"}}, SIGNATURE)
    assert arrays["x"] == np.float32(number)


def test_bodies_may_be_packed(served: Served) -> None:
    body = gzip.compress(json.dumps({"instances": [1.0]}).encode())
    for name in ("gzip", "GZIP"):
        code, text, _ = send(
            served, "POST", "/v1/models/m:predict", body, {"Content-Encoding": name}
        )
        assert (code, '"y": 2.0' in text) == (200, True)


def test_packed_bodies_are_complete_and_limited(served: Served) -> None:
    packed = gzip.compress(b" " * (rest_json.MOST_UNPACKED_BYTES + 1), 1)
    for body in (b"", b"{}", packed[:1000], packed):
        code, text, _ = send(
            served, "POST", "/v1/models/m:predict", body, {"Content-Encoding": "gzip"}
        )
        assert code == 400
        assert "gzipped body" in text or "The document is empty" in text


def test_infinite_numbers_are_bare(served: Served) -> None:
    _, text, _ = send(served, "POST", "/v1/models/m:predict", b'{"instances": [NaN, -Infinity]}')
    assert '"y": NaN' in text
    assert '"y": -Infinity' in text


ECHO = {"signature_name": "echo"}
ROWS = {"signature_name": "rows"}
NO_INT32 = "Type: Number is not of expected type: int32"
BAD = [
    (b"", "JSON Parse error: The document is empty"),
    (b'{"instances": [1,]}', "JSON Parse error: "),
    (b'{"instances": ["\xff"]}', "JSON Parse error: "),
    (b"[" * 100_000, "JSON Parse error: "),
    (b"[1]", "Request must be a JSON object"),
    ({"examples": []}, "Missing 'inputs' or 'instances' key"),
    ({"inputs": [1], "instances": [1]}, "only one of"),
    ({"instances": []}, "non-empty list"),
    (
        {"signature_name": "nope", "instances": [1]},
        'Serving signature name: \\"nope\\" not found in signature def',
    ),
    ({"inputs": ["a"]}, 'JSON Value: \\"a\\" Type: String is not of expected type: float'),
    ({"inputs": [True]}, "Type: Bool is not of expected type: float"),
    ({"instances": [1.0, "a"]}, "Failed to process element: 1 key: x of 'instances'"),
    (ROWS | {"inputs": [[1, 2], [3]]}, "at unexpected size: 1"),
    (ROWS | {"instances": [[1, 2], [3]]}, "Expecting tensor size: [2] but got: [1]"),
    (ECHO | {"inputs": {"data": ["a"]}}, "Missing named input: ids in 'inputs' object."),
    (ECHO | {"inputs": {"data": ["a"], "ids": [[2**31]]}}, f"JSON Value: 2147483648 {NO_INT32}"),
    (ECHO | {"inputs": {"data": ["a"], "ids": [[1.5]]}}, f"JSON Value: 1.5 {NO_INT32}"),
    (ECHO | {"inputs": {"data": [{"b64": "-_"}], "ids": [[1]]}}, "Unable to base64 decode"),
    (ECHO | {"instances": [{"data": "a", "ids": [1]}] * 2}, "has inconsistent batch size"),
    ({"signature_name": "numbers", "instances": ["x"]}, "could not correctly convert"),
    ({"signature_name": None, "instances": [1]}, "'signature_name' key must be a string value."),
    (b'{"inputs": %s1%s}' % (b"[" * 65, b"]" * 65), "at unexpected level: 65"),
    (b'{"instances": %s1%s}' % (b"[" * 65, b"]" * 65), "at unexpected level: 65"),
    (b'{"inputs": %s1%s}' % (b"[" * 900, b"]" * 900), "at unexpected level: 900"),
    (b'{"inputs": {"x": %s1%s}}' % (b'{"x":' * 900, b"}" * 900), "is not of expected type: float"),
    (b'{"instances": [1, -1e999]}', "Number too big to be stored in double. at offset: 18"),
    (b'{"ignored": 1e999, "instances": [1]}', "Number too big to be stored in double."),
    (b'{"instances": [1e39]}', "Cannot convert JSON value: 1e+39 to float without loss of"),
    (b'{"inputs": [16777216]}', "Cannot convert JSON value: 16777216 to float without loss of"),
    (b'{"inputs": [%s]}' % (b"9" * 400), "to float without loss of precision."),
]


@pytest.mark.parametrize(("body", "text"), BAD, ids=range(len(BAD)))
def test_bad_bodies(body: object, text: str, served: Served) -> None:
    got, reply, headers = send(served, "POST", "/v1/models/m:predict", body)
    assert got == 400, reply
    assert text in reply
    assert reply.startswith('{\n    "error": "')
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "code", "text"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/nope", 400, "Malformed request: GET /v1/nope"),
        ("POST", "/v1/models/m", 400, "Malformed request: POST /v1/models/m"),
        ("GET", "/v1/models/m/versions/" + "9" * 30, 400, "Malformed request"),
        ("GET", "/v1/models/nope", 404, "Could not find any versions of model nope"),
        ("GET", "/v1/models/m/versions/9", 404, "Could not find version 9 of model m"),
        ("GET", "/v1/models/m/labels/x", 400, "Unrecognized servable version label: x"),
        ("GET", "/v1/models/nope/metadata", 404, "Servable not found for request: Latest(nope)"),
        ("POST", "/v1/models/m:classify", 501, "classify is not offered"),
        ("GET", "/elsewhere", 404, "Not Found"),
    ],
)
def test_bad_paths(method: str, path: str, code: int, text: str, served: Served) -> None:
    got, reply, _ = send(served, method, path, {} if method == "POST" else None)
    assert got == code, reply
    assert text in reply


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *(("CANCELLED", 499), ("UNKNOWN", 500), ("INVALID_ARGUMENT", 400)),
        *(("DEADLINE_EXCEEDED", 504), ("NOT_FOUND", 404), ("ALREADY_EXISTS", 409)),
        *(("PERMISSION_DENIED", 403), ("UNAUTHENTICATED", 401), ("RESOURCE_EXHAUSTED", 429)),
        *(("FAILED_PRECONDITION", 400), ("ABORTED", 409), ("OUT_OF_RANGE", 400)),
        *(("UNIMPLEMENTED", 501), ("INTERNAL", 500), ("UNAVAILABLE", 503), ("DATA_LOSS", 500)),
    ],
)
def test_every_code_has_the_http_status_of_tensorflow_serving(
    code: str, status: int, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spec: object) -> None:
        raise StatusError(grpc.StatusCode[code], "why")

    monkeypatch.setattr(served.manager, "acquire", refuse)
    answer = send(served, "POST", "/v1/models/m:predict", {"instances": [1.0]})
    assert (answer[0], json.loads(answer[1])) == (status, {"error": "why"})


def test_dtypes_that_json_cannot_represent_are_refused(served: Served) -> None:
    body = {"signature_name": "float16", "inputs": [1.0]}
    code, reply, _ = send(served, "POST", "/v1/models/half:predict", body)
    assert (code, "to type: half" in reply) == (501, True)
    with pytest.raises(StatusError, match="Failed to write JSON value for tensor type: half"):
        rest_json.write_outputs({"y": np.zeros(1, np.float16)}, rows=False)


def test_status_and_metadata(served: Served) -> None:
    _, text, _ = send(served, "GET", "/v1/models/m/labels/stable")
    assert json.loads(text) == {
        "model_version_status": [
            {
                "version": "2",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    _, text, _ = send(served, "GET", "/v1/models/m/metadata")
    reply = json.loads(text)
    assert reply["model_spec"] == {"name": "m", "signature_name": "", "version": "2"}
    signature = reply["metadata"]["signature_def"]["signature_def"]["rows"]
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in signature["inputs"]["x"]["tensor_shape"]["dim"]] == ["-1", "2"]
    assert signature["defaults"] == {}


def test_metrics_are_those_of_tensorflow_serving(served: Served) -> None:
    predict(served, {"instances": [1.0]})
    send(served, "POST", "/v1/models/unheard_of:predict", {"instances": [1]})
    code, text, headers = send(served, "GET", METRICS)
    assert code == 200
    assert headers["Content-Type"] == "text/plain"
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"}' in text
    assert ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1' in text
    assert "unheard_of" not in text
    latency = ':tensorflow:serving:request_latency_bucket{model_name="m",API="Predict"'
    buckets = [
        int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(latency)
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] > 0


def test_labels_are_quoted() -> None:
    counter = Counter("/a/b", ["name"])
    counter.add('with "quotes" and \\\n', by=2)
    assert counter.lines() == [':a:b{name="with \\"quotes\\" and \\\\\\n"} 2']


def test_large_metrics_keep_all_their_digits() -> None:
    counter = Counter("/a", [])
    histogram = Histogram("/b", [], [1.0])
    for total in (1_234_567, 12_345_678_901):
        counter.add(by=total - counter.total())
        assert counter.lines() == [f":a{{}} {total}"]
    histogram.observe(12_345_678_901.0)
    histogram.observe(0.25)
    assert histogram.lines()[-2:] == [":b_sum{} 12345678901.25", ":b_count{} 2"]


def test_cors_is_available_if_enabled(served: Served) -> None:
    _, _, headers = send(served, "GET", "/v1/models/m")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert send(served, "OPTIONS", "/v1/models/m:predict")[0] == 200


def test_slow_bodies_do_not_delay_other_requests(served: Served) -> None:
    address = ("127.0.0.1", served.server.rest_port)
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(100)]
        for connection in slow:
            connection.sendall(head)
        assert predict(served, {"instances": [1.0]})["predictions"][0]["y"] == 2.0
    # And after the clients have disconnected.
    assert predict(served, {"instances": [1.0]})["predictions"][0]["y"] == 2.0


def test_a_body_that_never_ends_times_out(doubler_versions: pathlib.Path) -> None:
    options = ServerOptions(
        host="127.0.0.1",
        port=0,
        rest_port=0,
        rest=RestOptions(timeout_seconds=0.05),
        rest_limits=ConnectionLimits(request_seconds=0.2),
    )
    with serve({"m": doubler_versions}, options=options) as running:
        address = ("127.0.0.1", running.server.rest_port)
        with socket.create_connection(address) as connection:
            head = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
            connection.sendall(head)
            answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 504")
    assert b"Timed out waiting for notification" in answer


def address_of(family: socket.AddressFamily) -> str:
    return "::1" if family == socket.AF_INET6 else "127.0.0.1"


def reachable(family: socket.AddressFamily, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address_of(family), port)):
        return True
    return False


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_rest_is_open_for_ipv6_and_ipv4(doubler_versions: pathlib.Path) -> None:
    with serve({"m": doubler_versions}, options=ServerOptions(port=0, rest_port=0)) as running:
        port = running.server.rest_port
        assert reachable(socket.AF_INET6, port)
        assert reachable(socket.AF_INET, port)


def test_rest_is_open_without_ipv6(
    doubler_versions: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = socket.create_server

    def create(address: tuple, *, family: int, dualstack_ipv6: bool) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return original(address)

    monkeypatch.setattr(socket, "create_server", create)
    for found in (True, False):
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda found=found: found)
        options = ServerOptions(port=0, rest_port=0)
        with serve({"m": doubler_versions}, options=options) as running:
            assert reachable(socket.AF_INET, running.server.rest_port)


SIGNATURE = meta_graph_pb2.SignatureDef()
SIGNATURE.inputs["x"].dtype = tf.float32.as_datatype_enum
SIGNATURE.inputs["s"].dtype = tf.string.as_datatype_enum
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "s", "b64", "inputs", "instances"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["inputs", "instances", "signature_name"]), VALUES))
@settings(max_examples=100)
def test_any_json_is_read_or_refused(body: dict[str, object]) -> None:
    with contextlib.suppress(StatusError), np.errstate(all="ignore"):
        arrays = rest_json.read_inputs(body, SIGNATURE)
        assert arrays.keys() == {"x", "s"}


@given(st.binary(max_size=40))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    with contextlib.suppress(StatusError):
        assert isinstance(rest_json.parse_object(body), dict)
