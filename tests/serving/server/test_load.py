"""32 clients for a minute: no failed call during twenty swaps or the shutdown, no memory growth.

TFGAN2_LOAD_EXPORT names the folder of a version to serve in place of the tiny one,
TFGAN2_LOAD_SECONDS another time, and TFGAN2_LOAD_FLAGS more flags of the server. The measurements
are printed (`pytest -m long -s`).
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from serving.server.execution.servable import Servable
from tests.serving.models import predict_request

ROOT = pathlib.Path(__file__).parents[3]
SECONDS = float(os.environ.get("TFGAN2_LOAD_SECONDS", "60"))
CLIENTS, SWAPS = 32, 20
AVAILABLE, END = 30, 50
PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


@pytest.fixture(scope="module")
def version(request: pytest.FixtureRequest) -> pathlib.Path:
    given = os.environ.get("TFGAN2_LOAD_EXPORT")
    return pathlib.Path(given) if given else request.getfixturevalue("export_dir") / "1"


@dataclasses.dataclass(frozen=True)
class Process:
    """A server with batching in a child process."""

    base_path: pathlib.Path
    address: str
    process: subprocess.Popen
    log_path: pathlib.Path

    def resident_mb(self) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024


@contextlib.contextmanager
def serving(version: pathlib.Path, folder: pathlib.Path) -> Iterator[Process]:
    base_path = folder / "model"
    base_path.mkdir(parents=True)
    (base_path / "1").symlink_to(version)
    address = f"unix:{folder}/socket"
    command = [sys.executable, "-m", "serving.server", "--model_name=m", "--enable_batching"]
    command += [f"--model_base_path={base_path}", "--port=0", f"--grpc_socket_path={address}"]
    command += os.environ.get("TFGAN2_LOAD_FLAGS", "").split()
    log_path = folder / "log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Running gRPC ModelServer")
            yield Process(base_path, address, process, log_path)
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(60)
    assert ended == 0


def request(rows: int) -> predict_pb2.PredictRequest:
    inputs = {
        "caption": np.array([b"the digit 3"] * rows, object),
        "seed": np.arange(rows),
        "truncation": np.zeros(rows, np.float32),
    }
    return predict_request("m", inputs, signature="generate")


class Clients:
    """32 threads that call again after each response."""

    def __init__(self, address: str, rows: int) -> None:
        self.seconds: list[float] = []
        self.errors: list[tuple[grpc.StatusCode, str]] = []
        self.versions: set[int] = set()
        self._content, self._address = request(rows).SerializeToString(), address
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send_calls) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _send_calls(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options) as channel:
            call = channel.unary_unary(PREDICT)
            while not self._ended.is_set():
                began = time.perf_counter()
                try:
                    answer = predict_pb2.PredictResponse.FromString(call(self._content))
                except grpc.RpcError as error:
                    self.errors.append((error.code(), error.details()))
                    return
                self.seconds.append(time.perf_counter() - began)
                self.versions.add(answer.model_spec.version.value)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def images_per_second_alone(version: pathlib.Path) -> float:
    """Images per second of the same graph in this process, at its best batch size."""
    servable = Servable(str(version), name="m", version=1)
    best = 0.0
    for rows in (8, 16, 32, 64, 128):
        inputs = {
            name: np.asarray(value)
            for name, value in {
                "caption": np.array([b"the digit 3"] * rows, object),
                "seed": np.arange(rows),
                "truncation": np.zeros(rows, np.float32),
            }.items()
        }
        plan = servable.plan("generate", inputs, [])
        servable.run(plan.feeds, plan.fetch_names)
        count, began = 0, time.perf_counter()
        while time.perf_counter() < began + SECONDS / 20:
            servable.run(plan.feeds, plan.fetch_names)
            count += rows
        best = max(best, count / (time.perf_counter() - began))
    servable.close()
    return best


@pytest.mark.long
@pytest.mark.parametrize("rows", [1, 8])
def test_no_call_of_many_clients_fails(
    rows: int, version: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    alone = images_per_second_alone(version)
    with serving(version, tmp_path) as server:
        clients = Clients(server.address, rows)
        threading.Event().wait(SECONDS)
        clients.end()
    assert not clients.errors
    rate = rows * len(clients.seconds) / SECONDS
    p99 = 1000 * float(np.quantile(clients.seconds, 0.99))
    print(
        f"\n{rows} captions a call: {rate:.0f} images/s, {rate / alone:.2f} of {alone:.0f} alone,"
    )
    print(f"p99 {p99:.0f} ms")


@pytest.mark.long
def test_twenty_swaps_fail_no_call_and_leave_nothing_behind(
    version: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with serving(version, tmp_path) as server, grpc.insecure_channel(server.address) as channel:
        status = channel.unary_unary(STATUS)
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "m"
        resident = []
        clients = Clients(server.address, 1)
        for number in range(2, SWAPS + 2):
            (server.base_path / str(number)).symlink_to(version)
            (server.base_path / str(number - 1)).unlink()
            states: dict[int, int] = {}
            while states.get(number) != AVAILABLE or states.get(number - 1) != END:
                response = get_model_status_pb2.GetModelStatusResponse.FromString(
                    status(request.SerializeToString())
                )
                states = {one.version: one.state for one in response.model_version_status}
                threading.Event().wait(0.1)
            resident.append(server.resident_mb())
        clients.end()
        assert not clients.errors
        assert clients.versions == set(range(1, SWAPS + 2))
    print(f"\n{len(clients.seconds)} calls, resident MB after each swap: {np.round(resident)}")
    # The allocator grows during the first swaps.
    assert resident[-1] <= 1.05 * max(resident[:5])


@pytest.mark.long
def test_sigterm_cuts_no_call_off(version: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with serving(version, tmp_path) as server:
        clients = Clients(server.address, 8)
        threading.Event().wait(SECONDS / 10)
    clients.end()
    assert len(clients.errors) == CLIENTS
    assert {code for code, _ in clients.errors} == {grpc.StatusCode.UNAVAILABLE}, clients.errors
    begun = re.search(r"Stopped after (\d+) calls", server.log_path.read_text())
    assert begun is not None
    assert int(begun[1]) == len(clients.seconds)
    print(f"\n{len(clients.seconds)} calls begun and answered")
