"""Requests are merged, refused, padded and split as TensorFlow Serving does, and do not mix."""

import contextlib
import itertools
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from unittest import mock

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.server import config_files
from serving.server.execution import merging
from serving.server.execution.batch_options import BatchOptions
from serving.server.execution.batching import BatchingRunner
from serving.server.execution.servable import RunPlan, Servable
from serving.server.monitoring import Metrics
from serving.server.status import StatusError, invalid_argument
from tests.serving.conftest import HeldRuns
from tests.serving.models import predict_request
from tests.serving.servers import serve


class Held:
    """A servable whose first run waits for `go`, so that requests queue."""

    name = "held"

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()
        self.batches: list[list[float]] = []

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
        self.batches.append(feeds["x:0"].ravel().tolist())
        self.started.set()
        assert self.go.wait(30)
        if (feeds["x:0"] < 0).any():
            raise invalid_argument("negative")
        return [2 * feeds["x:0"] for _ in fetches]


def plan(*rows: object, output: str = "y") -> RunPlan:
    return RunPlan(feeds={"x:0": np.array(rows, float)}, fetches={output: f"{output}:0"})


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[BatchingRunner, Held]]]:
    """A runner with one thread, which runs a first request until the servable's `go`."""
    runners, held = [], Held()

    def make(**options: object) -> tuple[BatchingRunner, Held]:
        runners.append(BatchingRunner(BatchOptions(threads=1, **options), Metrics()))
        runners[0].submit(held, plan(0))
        assert held.started.wait(30)
        return runners[0], held

    yield make
    held.go.set()
    for runner in runners:
        runner.close()


Start = Callable[..., tuple[BatchingRunner, Held]]


def test_waiting_requests_are_merged_and_their_outputs_split(start: Start) -> None:
    runner, held = start()
    waiting = [runner.submit(held, plan(*rows)) for rows in ([1, 2], [3], [4, 5, 6])]
    held.go.set()
    results = [future.result(30)["y"].tolist() for future in waiting]
    assert results == [[2, 4], [6], [8, 10, 12]]
    assert held.batches == [[0], [1, 2, 3, 4, 5, 6]]


def test_requests_of_other_outputs_run_separately(start: Start) -> None:
    runner, held = start()
    waiting = [runner.submit(held, plan(1)), runner.submit(held, plan(2, output="z"))]
    held.go.set()
    assert [list(future.result(30)) for future in waiting] == [["y"], ["z"]]
    assert held.batches == [[0], [1], [2]]


def test_a_batch_holds_no_more_than_its_most_rows(start: Start) -> None:
    runner, held = start(max_batch_size=3, max_execution_batch_size=3)
    waiting = [runner.submit(held, plan(*rows)) for rows in ([1, 2], [3, 4], [5])]
    held.go.set()
    assert [future.result(30)["y"].tolist() for future in waiting] == [[2, 4], [6, 8], [10]]
    assert held.batches == [[0], [1, 2], [3, 4, 5]]
    with pytest.raises(StatusError) as caught:
        runner.submit(held, plan(1, 2, 3, 4))
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert str(caught.value) == "Task size 4 is larger than maximum input batch size 3"


def test_a_row_more_in_a_batch_that_waits_wakes_no_thread() -> None:
    held, metrics = Held(), Metrics()
    options = BatchOptions(
        threads=1, max_batch_size=3, max_execution_batch_size=3, timeout_seconds=60.0
    )
    held.go.set()
    with contextlib.closing(BatchingRunner(options, metrics)) as runner:
        changed, woken, waiting = runner._changed, [], []
        with mock.patch.object(changed, "notify", wraps=changed.notify) as notify:
            for number in (1, 2, 3):
                waiting.append(runner.submit(held, plan(number)))
                woken.append(notify.call_count)
        assert woken == [1, 1, 2]
        assert [future.result(30)["y"].tolist() for future in waiting] == [[2], [4], [6]]
    assert held.batches == [[1, 2, 3]]


def test_a_full_queue_refuses_at_once_and_counts_no_cancelled_requests(start: Start) -> None:
    sizes = {"max_batch_size": 2, "max_execution_batch_size": 2, "max_enqueued_batches": 2}
    runner, held = start(**sizes)
    waiting = [runner.submit(held, plan(number)) for number in (1, 2, 3, 4)]
    with pytest.raises(StatusError) as caught:
        runner.submit(held, plan(5))
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert str(caught.value) == (
        "The batch scheduling queue to which this task was submitted is full; "
        "currently 2 batches enqueued and max_enqueued_batches is 2"
    )
    assert waiting[1].cancel()
    assert waiting[2].cancel()
    waiting.append(runner.submit(held, plan(6)))
    held.go.set()
    assert waiting[4].result(30)["y"].tolist() == [12]
    assert [*itertools.chain(*held.batches)] == [0, 1, 4, 6]


def test_cancelled_requests_cost_nothing(start: Start) -> None:
    runner, held = start()
    dropped, kept = runner.submit(held, plan(1)), runner.submit(held, plan(2))
    assert dropped.cancel()
    held.go.set()
    assert kept.result(30)["y"].tolist() == [4]
    assert held.batches == [[0], [2]]


def test_only_the_bad_request_of_a_batch_fails(start: Start) -> None:
    runner, held = start()
    waiting = [runner.submit(held, plan(number)) for number in (1, -1, 3)]
    held.go.set()
    assert waiting[0].result(30)["y"].tolist() == [2]
    assert waiting[2].result(30)["y"].tolist() == [6]
    with pytest.raises(StatusError, match="negative"):
        waiting[1].result(30)


def test_requests_of_different_shapes_do_not_fail_each_other(start: Start) -> None:
    runner, held = start()
    waiting = [runner.submit(held, plan([1])), runner.submit(held, plan([2, 3]))]
    held.go.set()
    assert [future.result(30)["y"].tolist() for future in waiting] == [[[2]], [[4, 6]]]


def test_a_batch_is_filled_up_to_an_allowed_size(start: Start) -> None:
    sizes = {"max_batch_size": 8, "max_execution_batch_size": 8}
    runner, held = start(allowed_batch_sizes=(1, 4, 8), **sizes)
    waiting = [runner.submit(held, plan(1)), runner.submit(held, plan(2, 3))]
    held.go.set()
    assert [future.result(30)["y"].tolist() for future in waiting] == [[2], [4, 6]]
    assert held.batches[1] == [1, 2, 3, 2]  # The first row of the last request.


def test_a_large_request_is_run_in_pieces(start: Start) -> None:
    sizes = {"max_batch_size": 9, "max_execution_batch_size": 3, "max_enqueued_batches": 3}
    runner, held = start(split_large=True, **sizes)
    waiting = [runner.submit(held, plan(1)), runner.submit(held, plan(2, 3, 4, 5, 6, 7))]
    with pytest.raises(StatusError) as caught:
        runner.submit(held, plan(1, 2, 3))
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "task size is 3 but scheduling capacity is only 2" in str(caught.value)
    held.go.set()
    assert waiting[1].result(30)["y"].tolist() == [4, 6, 8, 10, 12, 14]
    assert held.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_batch_waits_for_more_requests_until_its_timeout() -> None:
    held = Held()
    held.go.set()
    runner = BatchingRunner(
        BatchOptions(max_batch_size=2, max_execution_batch_size=2, timeout_seconds=3600), Metrics()
    )
    first = runner.submit(held, plan(1))
    second = runner.submit(held, plan(2))  # The batch is full.
    assert first.result(30)["y"].tolist() == [2]
    assert second.result(30)["y"].tolist() == [4]
    last = runner.submit(held, plan(3))
    runner.close()  # The batch does not wait for more requests.
    assert last.result(30)["y"].tolist() == [6]
    assert held.batches == [[1, 2], [3]]


def test_inputs_without_equal_rows_cannot_be_merged() -> None:
    for feeds, text in (
        ({}, "must have at least one input tensor"),
        ({"x": np.float32(1)}, "must have at least one dimension"),
        ({"x": np.ones(2), "y": np.ones(3)}, "must have equal 0th-dimension size"),
    ):
        with pytest.raises(StatusError, match=rf"Batching Run\(\) .*{text}"):
            merging.count_rows(feeds)


def test_shorter_rows_are_padded_with_their_own_first_value() -> None:
    short, long = {"x": np.array([[7]])}, {"x": np.array([[1, 2, 3], [4, 5, 6]])}
    merged = merging.merge([short, long], pad=True)
    assert merged["x"].tolist() == [[7, 7, 7], [1, 2, 3], [4, 5, 6]]
    words = [{"x": np.array([[b"a"]], object)}, {"x": np.array([[b"b", b"c"]], object)}]
    assert merging.merge(words, pad=True)["x"].tolist() == [[b"a", b"a"], [b"b", b"c"]]
    with pytest.raises(StatusError, match="Tensors with name 'x' from different tasks") as caught:
        merging.merge([short, long], pad=False)
    assert caught.value.code == grpc.StatusCode.FAILED_PRECONDITION


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_every_request_gets_its_own_rows(sizes: list[int]) -> None:
    numbers = iter(range(100))
    requests = [{"x": np.array([next(numbers) for _ in range(size)], int)} for size in sizes]
    rows = sum(sizes)
    merged = merging.merge(requests, pad=False)
    parts = merging.split([merged["x"], -merged["x"]], sizes, rows)
    for request, (same, negative) in zip(requests, parts, strict=True):
        assert same.tolist() == request["x"].tolist() == (-negative).tolist()


def test_bad_parameters_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "batching.config"
    for text, rule in (
        ("max_batch_size { value: 4 } allowed_batch_sizes: 2", "last entry was 2; expected 4"),
        ("max_batch_size { value: 4 } allowed_batch_sizes: [4, 2, 4]", "ascending"),
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1"),
        ("max_batch_size: 4", "Invalid protobuf file"),
    ):
        path.write_text(text)
        with pytest.raises(StatusError, match=rule):
            config_files.batching(str(path))


def test_parameters_are_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "batching.config"
    path.write_text(
        "max_batch_size { value: 32 } batch_timeout_micros { value: 2000 } "
        "num_batch_threads { value: 3 } allowed_batch_sizes: [8, 32]"
    )
    assert config_files.batching(str(path)) == BatchOptions(
        max_batch_size=32,
        timeout_seconds=0.002,
        threads=3,
        allowed_batch_sizes=(8, 32),
        max_execution_batch_size=32,
    )


def test_clients_at_the_same_time_get_their_own_answers(base_path: pathlib.Path) -> None:
    with serve({"m": base_path}, batching=BatchOptions(threads=2)) as served:
        stub, errors = served.predictions, []

        def predict(client: int) -> None:
            for call in range(20):
                values = [float(client), float(call)]
                response = stub.Predict(predict_request("m", {"x": values}))
                if list(response.outputs["y"].float_val) != [2 * value for value in values]:
                    errors.append((client, call))

        with futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(predict, range(8)))
        assert not errors
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request("m", {"x": 1.0}, signature="scalar"))
        assert "must have at least one dimension" in caught.value.details()


def test_a_call_past_its_deadline_is_not_run(
    base_path: pathlib.Path, held_runs: HeldRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued, submit = [], BatchingRunner.submit

    def recording_submit(self: BatchingRunner, servable: Servable, plan: RunPlan) -> futures.Future:
        queued.append(submit(self, servable, plan))
        return queued[-1]

    monkeypatch.setattr(BatchingRunner, "submit", recording_submit)
    with serve({"m": base_path}, batching=BatchOptions(threads=1)) as served:
        predict, timeout_seconds = served.predictions.Predict, 0.2
        # Occupies the only thread.
        busy = predict.future(predict_request("m", {"x": [0.0]}))
        assert held_runs.started.wait(30)
        while len(queued) == 1:  # Else the request came too late.
            late = predict.future(predict_request("m", {"x": [1.0]}), timeout=timeout_seconds)
            assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            timeout_seconds *= 2
        with pytest.raises(futures.CancelledError):
            queued[1].result(30)
        held_runs.go.set()
        busy.result(60)
        predict(predict_request("m", {"x": [2.0]}))
    assert held_runs.fed == [[0.0], [2.0]]
