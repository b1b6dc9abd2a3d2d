"""The server as a whole: any SavedModel, sockets, health, reflection, warm-up, reload."""

import asyncio
import itertools
import pathlib
import socket
import threading
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import tensorflow as tf
import uvicorn
from google.protobuf import descriptor_pb2, text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    model_management_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.client import Client
from serving.program import UsageError
from serving.server import config_files
from serving.server.execution.servable import Servable
from serving.server.lifecycle import warmup
from serving.server.lifecycle.model_config import ModelConfig, Policy
from serving.server.protocol.model_server import ServerOptions
from serving.server.status import StatusError
from tests.serving import models
from tests.serving.models import predict_request
from tests.serving.servers import Served, serve, states, until

DTYPES = [
    tf.bool, tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.int8, tf.int16, tf.int32, tf.int64,
    tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128,
]  # fmt: skip


@pytest.fixture(scope="module")
def served(
    doubler_versions: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("models")
    models.write_dtypes(folder / "dtypes", DTYPES)
    models.write_tf1(folder / "tf1")
    listed = {"m": doubler_versions, "dtypes": folder / "dtypes", "tf1": folder / "tf1"}
    options = ServerOptions(
        host="127.0.0.1",
        port=0,
        socket_path=str(folder / "socket"),
        health=True,
        channel_arguments=[("grpc.max_connection_age_ms", 600_000)],
    )
    with serve(listed, options=options) as running:
        yield running


def predict_y(
    served: Served, model: str, inputs: dict[str, object], signature: str = ""
) -> np.ndarray:
    request = predict_request(model, inputs, signature=signature)
    return tf.make_ndarray(served.predictions.Predict(request).outputs["y"])


def refused(call: object, *arguments: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    return caught.value.code(), caught.value.details()


def test_messages_may_be_of_any_size(served: Served) -> None:
    sent = np.zeros(5 * 2**20, np.uint8)  # GRPC's own limit is 4 MiB.
    with Client(served.address, model="dtypes") as client:
        answer = client.predict("uint8", {"x": sent})["y"]
    assert np.array_equal(answer, sent)


def test_every_dtype_is_returned_unchanged(served: Served) -> None:
    # TensorFlow writes one value as a value, several values packed.
    for dtype, values in itertools.product(DTYPES, ([1], [0, 1, 1])):
        sent = np.array(values, dtype.as_numpy_dtype)
        answer = predict_y(served, "dtypes", {"x": sent}, dtype.name)
        assert (answer.dtype, answer.tolist()) == (sent.dtype, sent.tolist())


def test_a_model_of_tensorflow_1_is_served(served: Served) -> None:
    assert predict_y(served, "tf1", {"x": [[2.0]]}).tolist() == [[6.0]]


def test_shapes_are_checked_only_by_the_ops(served: Served) -> None:
    # The signatures say [?] and [?, 1].
    assert predict_y(served, "m", {"x": [[1.0, 2.0]]}).tolist() == [[2.0, 4.0]]
    assert predict_y(served, "tf1", {"x": [2.0, 3.0, 4.0]}).tolist() == [6.0, 9.0, 12.0]


def test_one_value_is_repeated_up_to_the_memory_limit(served: Served) -> None:
    request = predict_request("m", {"x": np.zeros(3, np.float32)})
    del request.inputs["x"].float_val[:]
    request.inputs["x"].ClearField("tensor_content")
    request.inputs["x"].float_val.append(4)
    assert list(served.predictions.Predict(request).outputs["y"].float_val) == [8, 8, 8]
    request.inputs["x"].tensor_shape.dim[0].size = 2**40
    error = refused(served.predictions.Predict, request)
    assert error == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


def test_unsupported_calls_are_unimplemented(served: Served) -> None:
    for name, request in (
        ("Classify", classification_pb2.ClassificationRequest()),
        ("Regress", regression_pb2.RegressionRequest()),
        ("MultiInference", inference_pb2.MultiInferenceRequest()),
    ):
        code, text = refused(getattr(served.predictions, name), request)
        assert code == grpc.StatusCode.UNIMPLEMENTED
        assert text.startswith(f"{name} is not offered")


def test_tensor_content_is_used_if_enabled(doubler_versions: pathlib.Path) -> None:
    options = ServerOptions(host="127.0.0.1", port=0, as_content=True)
    with serve({"m": doubler_versions}, options=options) as running:
        response = running.predictions.Predict(predict_request("m", {"x": [1.0]}))
        assert response.outputs["y"].tensor_content == np.float32(2).tobytes()


def test_unix_socket_of_an_earlier_server_is_replaced(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = ServerOptions(host="127.0.0.1", port=None, socket_path=str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(tmp_path / "socket"))
        with (
            serve({"m": doubler_versions}, options=options),
            grpc.insecure_channel(f"unix:{tmp_path}/socket") as channel,
        ):
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            response = stub.Predict(predict_request("m", {"x": [1.0]}))
            assert list(response.outputs["y"].float_val) == [2.0]


def test_health_has_the_names_of_tensorflow_serving(served: Served) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    for name in ("", "ModelService", "PredictionService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert refused(stub.Check, health_pb2.HealthCheckRequest(service="x"))[0] == (
        grpc.StatusCode.NOT_FOUND
    )


def test_reflection_lists_services_and_messages(served: Served) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="tensorflow.serving.PredictionService"
        ),
    ]
    listed, described = stub.ServerReflectionInfo(iter(requests))
    names = {service.name for service in listed.list_services_response.service}
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} < names
    file = descriptor_pb2.FileDescriptorProto.FromString(
        described.file_descriptor_response.file_descriptor_proto[0]
    )
    methods = {method.name: method.input_type for method in file.service[0].method}
    assert methods["Predict"] == ".tensorflow.serving.PredictRequest"


def test_port_in_use_is_refused(served: Served, doubler_versions: pathlib.Path) -> None:
    options = ServerOptions(host="127.0.0.1", port=served.server.port)
    listed = {"m": doubler_versions}
    with pytest.raises(UsageError, match="--port: must be"), serve(listed, options=options):
        pass
    taken = ServerOptions(host="127.0.0.1", port=None, rest_port=served.server.port)
    with pytest.raises(UsageError, match="--rest_api_port: must be"), serve(listed, options=taken):
        pass


def with_warm_up(version: pathlib.Path, folder: pathlib.Path, records: list[bytes]) -> str:
    """Makes the version another with these records, and returns its folder."""
    folder.mkdir(parents=True)
    for part in version.iterdir():
        (folder / part.name).symlink_to(part)
    models.write_warmup(folder, records)
    return str(folder)


def test_warm_up_requests_are_answered_before_others(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    records = [models.warmup_record(name, {"x": [[1.0, 2.0]]}) for name in ("rows", "rows")]
    version = with_warm_up(doubler_versions / "1", tmp_path / "1", records)
    with serve({"m": tmp_path}) as running:
        assert running.metrics.model_warmup_records_read.total(version) == 2


def test_a_bad_warm_up_fails_the_version(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "MOST_RECORDS", 2)
    unknown = models.warmup_record("nope", {"x": [1.0]})
    bad = {
        "record": ([b"\xff"], "Failed to parse warmup record"),
        "signature": ([unknown], 'Serving signature key "nope" not found.'),
        "many": ([models.warmup_record("", {"x": [1.0]})] * 3, "exceeds the maximum (2) at"),
        "kind": ([b""], "Unsupported log_type for warmup: None"),
        "file": ([], "Please verify your warmup data is in TFRecord format."),
    }
    for name, (records, _) in bad.items():
        with_warm_up(doubler_versions / "1", tmp_path / name / "1", records)
    file = tmp_path / "file" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(b"x" * 100)
    with pytest.raises(StatusError) as caught, serve({name: tmp_path / name for name in bad}):
        pass
    _, *listed = str(caught.value).split("{name: ")
    for each, (name, (_, text)) in zip(listed, bad.items(), strict=True):
        assert each.startswith(f"{name} version: 1}}")
        assert text in each


def reload_request(text: str) -> model_management_pb2.ReloadConfigRequest:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text, request.config)
    return request


def test_the_configuration_is_replaced_by_a_request(doubler_versions: pathlib.Path) -> None:
    both = f"""model_config_list {{
      config {{ name: "new", base_path: "{doubler_versions}", model_platform: "tensorflow",
               model_version_policy {{ specific {{ versions: 1 }} }} }} }}"""
    with serve({"old": doubler_versions}) as running:
        response = running.models.HandleReloadConfigRequest(reload_request(both))
        assert response.status.error_code == 0
        answer = running.predictions.Predict(predict_request("new", {"x": [1.0]}))
        assert answer.model_spec.version.value == 1
        until(lambda: states(running.manager, "old") == {2: "END"})
        old = predict_request("old", {"x": [1.0]})
        assert refused(running.predictions.Predict, old)[0] == grpc.StatusCode.NOT_FOUND
        reload = running.models.HandleReloadConfigRequest
        code, text = refused(reload, model_management_pb2.ReloadConfigRequest())
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert text.endswith("Only ModelConfigList is currently supported")
        (broken := doubler_versions.parent / "broken" / "1").mkdir(parents=True)
        bad = both.replace(str(doubler_versions), str(broken.parent)).replace('"new"', '"bad"')
        code, text = refused(reload, reload_request(bad))
        assert code == grpc.StatusCode.UNKNOWN
        assert text.startswith("1 model(s) did not become available: {{{name: bad version: 1}")


def model_list(*models: tuple[str, pathlib.Path]) -> model_management_pb2.ReloadConfigRequest:
    text = 'config { name: "%s" base_path: "%s" model_platform: "tensorflow" }'
    listed = "\n".join(text % model for model in models)
    return reload_request(f"model_config_list {{ {listed} }}")


def test_reloads_that_wait_for_models_delay_no_other_call(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    good = ("m", doubler_versions)
    late = [(f"late_{number}", tmp_path / "missing") for number in range(40)]
    with serve({"m": doubler_versions}) as running:
        reload = running.models.HandleReloadConfigRequest
        waiting = []
        for number, (name, _) in enumerate(late):
            waiting.append(reload.future(model_list(good, *late[: number + 1])))
            until(lambda name=name: running.manager.knows(name))
        large = predict_request("m", {"x": np.ones(100_000, np.float32)})
        answer = running.predictions.Predict(large, timeout=60)
        assert len(answer.outputs["y"].float_val) == 100_000
        # A wait ends with its call.
        last = waiting.pop()
        last.cancel()
        assert refused(lambda: reload(model_list(good, *late), timeout=1))[0] == (
            grpc.StatusCode.DEADLINE_EXCEEDED
        )
        # And with a newer configuration.
        reload(model_list(good), timeout=60)
        for call in waiting:
            code, text = refused(call.result)
            assert code == grpc.StatusCode.ABORTED
            assert text.startswith("A newer configuration came before these models were available")


def test_bad_model_lists(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "models.config"
    for text, rule in (
        ('base_path: "/m"', "Illegal setting neither ModelServerConfig::model_type"),
        (
            'base_path: "m" model_platform: "tensorflow"',
            r"Expected model m to have an absolute path or URI; got base_path\(\)=m",
        ),
        ('base_path: "/m" model_platform: "pytorch"', "must be tensorflow"),
    ):
        path.write_text(f'model_config_list: {{ config: {{ name: "m" {text} }}, }}')
        with pytest.raises(StatusError, match=rule):
            config_files.models(str(path))


def test_a_file_that_is_no_message_is_refused_with_its_place(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list {\n  config { nam: 1 }\n}")
    with pytest.raises(StatusError) as caught:
        config_files.models(str(path))
    text = str(caught.value)
    assert text.startswith(f"Invalid protobuf file: '{path}'")
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 2:12: " in text
    assert '"nam"' in text
    with pytest.raises(StatusError, match=r"text-format tensorflow\.serving\.SSLConfig: 1:1: "):
        config_files.credentials(str(path))


def test_a_model_list_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "models.config"
    one = """config: { name: "%s", base_path: "gs://bucket/m", model_platform: "tensorflow",
      model_version_policy { latest { num_versions: 2 } },
      version_labels { key: "stable" value: 3 } }"""
    path.write_text(f"model_config_list: {{ {one % 'a'}, {one % 'b'} }}")
    first, second = config_files.models(str(path))
    expected = ModelConfig(
        name="a", base_path="gs://bucket/m", policy=Policy(newest=2), labels={"stable": 3}
    )
    assert (first, second.name) == (expected, "b")
    path.write_text(f"model_config_list: {{ {one % 'a'}, {one % 'a'} }}")
    with pytest.raises(StatusError, match="Illegal to list model a multiple times"):
        config_files.models(str(path))


def test_inputs_with_defaults_may_be_left_out(doubler_versions: pathlib.Path) -> None:
    servable = Servable(str(doubler_versions / "1"), name="m", version=1)
    definition = servable.signatures["echo"]
    definition.defaults["ids"].CopyFrom(tf.make_tensor_proto([[7]]))
    data = np.array([b"a"], object)
    plan = servable.plan("echo", {"data": data}, ["ids"])
    assert servable.run(plan.feeds, list(plan.fetches.values()))[0].tolist() == [[7]]
    with pytest.raises(StatusError) as caught:
        servable.plan("echo", {"ids": np.array([[1]])}, [])
    assert str(caught.value).endswith("in the request {ids}, or default input alias set: ids")
    with pytest.raises(StatusError) as caught:
        servable.plan("echo", {"data": data, "z": data}, [])
    assert str(caught.value) == (
        "Inputs contains invalid name. Used request inputs: data, request input: data,z"
    )
    servable.close()


def test_a_rest_server_that_ends_is_an_error(
    doubler_versions: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    gone = threading.Event()

    async def main_loop(self: uvicorn.Server) -> None:
        while not gone.is_set():
            await asyncio.sleep(0.01)

    monkeypatch.setattr(uvicorn.Server, "main_loop", main_loop)
    options = ServerOptions(host="127.0.0.1", port=0, rest_port=0)
    with serve({"m": doubler_versions}, options=options):
        gone.set()
        until(lambda: bool(failures))
    assert str(failures[0].exc_value) == "The REST server has ended"
