"""The server as a process: it serves whole or ends, and SIGTERM ends it within its time."""

import pathlib
import signal
import socket
import subprocess
import sys

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.child_server import free_port
from tests import programs
from tests.serving import models
from tests.serving.models import predict_request
from tests.serving.servers import until

STOP_SECONDS = 40


def code_of(port: int, request: predict_pb2.PredictRequest) -> grpc.StatusCode:
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        try:
            predict(request, timeout=60)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK


def repeated(count: int) -> predict_pb2.PredictRequest:
    """A request with one number, which the server repeats."""
    request = predict_request("default", {"x": np.ones(1, np.float32)})
    request.inputs["x"].tensor_shape.dim[0].size = count
    return request


def test_a_server_whose_output_nobody_reads_serves(doubler_versions: pathlib.Path) -> None:
    port = free_port()
    options = [f"--port={port}", f"--model_base_path={doubler_versions}"]
    with programs.start("serving.server", *options) as server:
        server.stdout.close()
        until(lambda: code_of(port, repeated(1)) == grpc.StatusCode.OK)
        server.send_signal(signal.SIGTERM)
        assert server.wait(STOP_SECONDS) == 0


def test_a_server_with_a_failed_thread_ends(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = [f"--port={free_port()}", f"--model_base_path={doubler_versions}"]
    log = tmp_path / "stderr"
    with programs.start("tests.serving.server.failing_thread", *options, stderr=str(log)) as server:
        assert server.wait(60) == 1
    assert "RuntimeError: the thread manager failed: RuntimeError('no more reads')" in (
        log.read_text()
    )


def test_an_address_in_use_is_told_before_models_load(tmp_path: pathlib.Path) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)
    options = [f"--model_base_path={tmp_path}/broken", "--max_num_load_retries=0"]
    file = tmp_path / "file"
    file.touch()
    with socket.create_server(("localhost", 0)) as other:
        used = other.getsockname()[1]
        for flags, error in (
            ([f"--port={used}"], f"--port: must be free, got {used} (Address already in use)"),
            (
                [f"--port={free_port()}", f"--rest_api_port={used}"],
                f"--rest_api_port: must be free, got {used} (Address already in use)",
            ),
            (
                ["--port=0", f"--grpc_socket_path={file}"],
                "--grpc_socket_path: must be a path where a socket can be made",
            ),
        ):
            assert programs.error_of("serving.server", *options, *flags).startswith(error)


def test_the_memory_of_repeated_numbers_has_a_limit(doubler_versions: pathlib.Path) -> None:
    port = free_port()
    options = [f"--port={port}", f"--model_base_path={doubler_versions}"]
    with programs.start("serving.server", *options, "--max_repeated_tensor_bytes=40") as server:
        assert any(line.startswith("Running gRPC") for line in server.stdout)
        codes = [code_of(port, repeated(count)) for count in (10, 11, 60_000_000)]
    refused = grpc.StatusCode.INVALID_ARGUMENT
    assert codes == [grpc.StatusCode.OK, refused, refused]


def test_closed_standard_streams_are_no_connections() -> None:
    names = "[os.readlink(f'/proc/self/fd/{number}') for number in range(3)]"
    program = f"import os, serving.program; exit({names} != [os.devnull] * 3)"
    closing = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', sys.executable, "-c", program]
    assert subprocess.run(closing, cwd=programs.ROOT, check=False).returncode == 0


@pytest.mark.parametrize("flag", ["--enable_batching", "--noenable_batching"])
def test_sigterm_ends_a_server_that_warms_up(
    flag: str, doubler_versions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    version, log = tmp_path / "m" / "1", tmp_path / "stderr"
    version.mkdir(parents=True)
    for part in (doubler_versions / "1").iterdir():
        (version / part.name).symlink_to(part)
    # This record needs hours.
    models.write_warmup(version, [models.warmup_record("slow", {"x": [1e9]})])
    log.touch()
    options = [f"--port={free_port()}", f"--model_base_path={version.parent}", flag]
    with programs.start("serving.server", *options, stderr=str(log)) as server:
        until(lambda: "Starting to read warmup data" in log.read_text())
        server.send_signal(signal.SIGTERM)
        assert server.wait(STOP_SECONDS) == 0
