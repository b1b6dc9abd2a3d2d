"""Versions are loaded and unloaded; an available version answers every call."""

import pathlib
import shutil
import threading
from collections.abc import Callable
from concurrent import futures

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_pb2

from serving.server.execution.servable import Servable
from serving.server.lifecycle import trim_memory
from serving.server.lifecycle.base_paths import list_versions
from serving.server.lifecycle.manager import Manager, ManagerOptions
from serving.server.lifecycle.model_config import ModelConfig, Policy
from serving.server.status import StatusError
from tests.serving.models import predict_request
from tests.serving.servers import UNPOLLED, serve, states, until

BOTH = Policy(newest=None)


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the garbage collection, which would take seconds after other tests."""
    monkeypatch.setattr(trim_memory, "trim", lambda: None)


class FakeServable:
    """The part of a servable that a manager uses, without a graph."""

    def __init__(self, name: str, version: int, path: str) -> None:
        self.name, self.version, self.closed = name, version, False

    def close(self) -> None:
        self.closed = True


def config(base_path: pathlib.Path, **options: object) -> ModelConfig:
    return ModelConfig(name="m", base_path=str(base_path), **options)


def make(base_path: pathlib.Path, *versions: int | str) -> pathlib.Path:
    for version in versions:
        (base_path / str(version)).mkdir(parents=True, exist_ok=True)
    return base_path


def failing(*bad: int) -> Callable[[str, int, str], Servable]:
    def load(name: str, version: int, path: str) -> FakeServable:
        if version in bad:
            raise ValueError("broken")
        return FakeServable(name, version, path)

    return load


def spec(version: int | None = None, label: str = "") -> model_pb2.ModelSpec:
    made = model_pb2.ModelSpec(name="m")
    if version is not None:
        made.version.value = version
    elif label:
        made.version_label = label
    return made


def answering(manager: Manager, version: int | None = None, label: str = "") -> int:
    lease = manager.acquire(spec(version, label))
    lease.release()
    return lease.servable.version


def test_a_policy_chooses_versions() -> None:
    assert Policy().choose([1, 9, 5]) == [9]
    assert Policy(newest=2).choose([1, 9, 5]) == [9, 5]
    assert BOTH.choose([1, 9, 5]) == [9, 5, 1]
    assert Policy(specific=(1, 5, 7)).choose([1, 9, 5]) == [5, 1]


def test_versions_are_folders_named_by_numbers(tmp_path: pathlib.Path) -> None:
    make(tmp_path, "0", "7", "00012", ".partial-3", "notes", "-1", "1e3", "9" * 30, "٣")
    assert list_versions(str(tmp_path)).keys() == {0, 7, 12}


def test_a_new_version_takes_over_and_the_old_one_drains(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        manager.configure([config(make(tmp_path, 1))])
        held = manager.acquire(spec())
        assert held.servable.version == 1
        make(tmp_path, 2)
        manager.configure([config(tmp_path)])
        until(lambda: states(manager, "m") == {2: "AVAILABLE", 1: "UNLOADING"})
        assert not held.servable.closed
        assert answering(manager) == 2
        with pytest.raises(StatusError, match=r"Servable not found for request: Specific\(m, 1\)"):
            manager.acquire(spec(1))
        held.release()
        until(lambda: states(manager, "m") == {2: "AVAILABLE", 1: "END"})
        assert held.servable.closed


def test_old_version_serves_while_the_new_one_is_broken(tmp_path: pathlib.Path) -> None:
    with Manager(failing(2), UNPOLLED) as manager:
        manager.configure([config(make(tmp_path, 1))])
        make(tmp_path, 2)
        manager.configure([config(tmp_path)])
        until(lambda: states(manager, "m") == {2: "END", 1: "AVAILABLE"})
        error = manager.statuses("m")[0].error
        assert error is not None
        assert str(error) == "ValueError: broken"
        assert answering(manager) == 1


def test_a_failed_version_is_tried_again_after_it_was_gone(tmp_path: pathlib.Path) -> None:
    bad = [2]
    tried = []

    def load(name: str, version: int, path: str) -> Servable:
        tried.append(version)
        return failing(*bad)(name, version, path)

    with Manager(load, UNPOLLED) as manager:
        manager.configure([config(make(tmp_path, 1))])
        make(tmp_path, 2)
        for _ in range(3):
            manager.configure([config(tmp_path)])
            until(lambda: states(manager, "m")[2] == "END")
        assert tried == [1, 2]
        bad.clear()
        (tmp_path / "2").rmdir()
        manager.configure([config(tmp_path)])
        make(tmp_path, 2)
        manager.configure([config(tmp_path)])
        until(lambda: states(manager, "m") == {2: "AVAILABLE", 1: "END"})


def test_failed_load_is_retried_the_given_number_of_times(tmp_path: pathlib.Path) -> None:
    tried = []

    def load(name: str, version: int, path: str) -> Servable:
        tried.append(version)
        raise ValueError("broken")

    options = ManagerOptions(poll_wait_seconds=0, max_load_retries=2, load_retry_seconds=0)
    with Manager(load, options) as manager:
        with pytest.raises(StatusError) as caught:
            manager.configure([config(make(tmp_path, 7))])
        assert str(caught.value) == (
            "1 servable(s) did not become available: "
            "{{{name: m version: 7} due to error: INTERNAL: ValueError: broken}, }"
        )
    assert tried == [7, 7, 7]


def test_a_late_base_path_is_waited_for(tmp_path: pathlib.Path) -> None:
    looked = threading.Event()
    options = ManagerOptions(poll_wait_seconds=0.01)
    with Manager(failing(), options) as manager:

        def configure() -> None:
            looked.set()
            manager.configure([config(tmp_path / "later")])

        waiting = threading.Thread(target=configure)
        waiting.start()
        looked.wait()
        with pytest.raises(StatusError, match="Latest"):
            manager.acquire(spec())
        make(tmp_path / "later", "notes")
        make(tmp_path / "later", 3)
        waiting.join(30)
        assert answering(manager) == 3


def test_waiting_for_a_model_ends_when_the_server_stops(tmp_path: pathlib.Path) -> None:
    manager = Manager(failing(), ManagerOptions(poll_wait_seconds=0.01))
    errors: list[StatusError] = []

    def configure() -> None:
        try:
            manager.configure([config(tmp_path / "never")])
        except StatusError as error:
            errors.append(error)

    waiting = threading.Thread(target=configure)
    waiting.start()
    manager.close()
    waiting.join(30)
    assert [error.code for error in errors] == [grpc.StatusCode.UNAVAILABLE]


def missing(tmp_path: pathlib.Path, name: str = "late") -> ModelConfig:
    return ModelConfig(name=name, base_path=str(tmp_path / "missing"))


def error_of(wait: futures.Future) -> StatusError:
    error = wait.exception(60)
    assert isinstance(error, StatusError)
    return error


def test_a_wait_for_a_model_ends_when_a_newer_configuration_comes(tmp_path: pathlib.Path) -> None:
    good = config(make(tmp_path / "good", 1))
    with Manager(failing(), UNPOLLED) as manager:
        earlier = manager.apply([good, missing(tmp_path)])
        until(lambda: states(manager, "m") == {1: "AVAILABLE"})
        manager.apply([good]).result(60)
        error = error_of(earlier)
        assert error.code == grpc.StatusCode.ABORTED
        assert str(error) == (
            "A newer configuration came before these models were available: {name: late} Could "
            f"not find base path {tmp_path}/missing for servable late with error NOT_FOUND: No "
            f"such file or directory: {tmp_path}/missing"
        )


def test_a_wait_for_a_model_ends_with_its_deadline(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        error = error_of(manager.apply([missing(tmp_path)], seconds=0))
        assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "{name: late}" in str(error)


def test_the_same_configuration_again_waits_for_the_same_models(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        first = manager.apply([missing(tmp_path)])
        second = manager.apply([missing(tmp_path)])
        make(tmp_path / "missing", 1)
        manager.apply([missing(tmp_path)]).result(60)
        assert [first.result(60), second.result(60)] == [None, None]


def test_the_first_configuration_waits_for_the_models_of_a_newer_one(
    tmp_path: pathlib.Path,
) -> None:
    good = config(make(tmp_path / "good", 1))
    with Manager(failing(), UNPOLLED) as manager:
        start = threading.Thread(target=manager.configure, args=([missing(tmp_path)],))
        start.start()
        until(lambda: manager.knows("late"))
        manager.apply([good])
        start.join(60)
        assert not start.is_alive()
        assert answering(manager) == 1


def test_a_failed_version_is_loaded_from_another_base_path(tmp_path: pathlib.Path) -> None:
    def load(name: str, version: int, path: str) -> Servable:
        return failing(*[1] if "broken" in path else [])(name, version, path)

    with Manager(load, UNPOLLED) as manager:
        wrong = config(make(tmp_path / "broken", 1))
        assert error_of(manager.apply([wrong])).code == grpc.StatusCode.UNKNOWN
        manager.apply([config(make(tmp_path / "good", 1))]).result(60)
        assert answering(manager) == 1


def test_a_base_path_that_vanished_unloads_nothing_and_an_empty_one_everything(
    tmp_path: pathlib.Path,
) -> None:
    base = make(tmp_path / "a", 1)
    with Manager(failing(), UNPOLLED) as manager:
        manager.configure([config(base)])
        base.rename(tmp_path / "b")
        manager.configure([config(base)])
        assert states(manager, "m") == {1: "AVAILABLE"}
        base.mkdir()
        manager.configure([config(base)])
        until(lambda: states(manager, "m") == {1: "END"})
        # A version that reappears is loaded again.
        make(base, 1)
        manager.configure([config(base)])
        until(lambda: states(manager, "m") == {1: "AVAILABLE"})


def test_a_model_that_is_no_longer_listed_is_unloaded(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        manager.configure([config(make(tmp_path, 1))])
        manager.configure([])
        until(lambda: states(manager, "m") == {1: "END"})


def test_labels_name_versions_that_are_loaded(tmp_path: pathlib.Path) -> None:
    make(tmp_path, 1, 2)
    labelled = config(tmp_path, policy=BOTH, labels={"stable": 1, "canary": 2})
    with Manager(failing(), UNPOLLED) as manager:
        with pytest.raises(StatusError) as caught:
            manager.configure([labelled])
        assert caught.value.code == grpc.StatusCode.FAILED_PRECONDITION
        assert str(caught.value) == (
            "Request to assign label to version 1 of model m, "
            "which is not currently available for inference"
        )
        manager.configure([config(tmp_path, policy=BOTH)])
        manager.configure([labelled])
        assert answering(manager, label="stable") == 1
        assert answering(manager, label="canary") == 2
        with pytest.raises(StatusError, match="Unrecognized servable version label: best"):
            manager.acquire(spec(label="best"))


def test_a_new_label_may_be_early_where_that_is_allowed_but_not_move_so(
    tmp_path: pathlib.Path,
) -> None:
    options = ManagerOptions(poll_wait_seconds=0, labels_for_unavailable=True)
    with Manager(failing(), options) as manager:
        manager.configure([config(make(tmp_path, 1), labels={"stable": 1})])
        assert answering(manager, label="stable") == 1
        with pytest.raises(StatusError, match="assign label to version 2"):
            manager.configure([config(tmp_path, labels={"stable": 2})])


def test_no_call_fails_while_versions_are_swapped(
    doubler_versions: pathlib.Path, base_path: pathlib.Path
) -> None:
    with serve({"m": base_path}) as served:
        ended, versions, errors = threading.Event(), set(), []

        def predict() -> None:
            request = predict_request("m", {"x": [1.0, 2.0]})
            while not ended.is_set():
                try:
                    response = served.predictions.Predict(request)
                    versions.update(response.outputs["version"].int64_val)
                    assert list(response.outputs["y"].float_val) == [2.0, 4.0]
                except Exception as error:
                    errors.append(error)
                    return

        clients = [threading.Thread(target=predict) for _ in range(4)]
        for thread in clients:
            thread.start()
        live = [ModelConfig(name="m", base_path=str(base_path))]
        for version in range(2, 8):
            (base_path / str(version)).symlink_to(doubler_versions / str(1 + version % 2))
            (base_path / str(version - 1)).unlink()
            served.manager.configure(live)
            until(
                lambda version=version: (
                    [*states(served.manager, "m").values()][:2] == ["AVAILABLE", "END"]
                ),
            )
        ended.set()
        for thread in clients:
            thread.join()
        assert not errors
        assert versions == {1, 2}


def test_folder_without_a_savedmodel_is_refused(tmp_path: pathlib.Path) -> None:
    make(tmp_path, 1)
    text = r"name: m version: 1} due to error: .*SavedModel"
    with pytest.raises(StatusError, match=text), serve({"m": tmp_path}):
        pass


def test_a_version_in_use_survives_its_folder(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(doubler_versions / "1", tmp_path / "1")
    with serve({"m": tmp_path}) as served:
        shutil.rmtree(tmp_path / "1")
        response = served.predictions.Predict(predict_request("m", {"x": [1.0]}))
        assert tf.make_ndarray(response.outputs["y"]).tolist() == [2.0]
