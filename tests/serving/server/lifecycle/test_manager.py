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


def configure(manager: Manager, models: list[ModelConfig]) -> None:
    manager.configure(models, starting=True).result(60)


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


def test_the_newest_of_several_available_versions_answers(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        configure(manager, [config(make(tmp_path, 9, 10), policy=BOTH)])
        assert states(manager, "m") == {10: "AVAILABLE", 9: "AVAILABLE"}
        assert (answering(manager), answering(manager, 9)) == (10, 9)


def test_a_new_version_takes_over_and_the_old_one_drains(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        configure(manager, [config(make(tmp_path, 1))])
        held = manager.acquire(spec())
        assert held.servable.version == 1
        make(tmp_path, 2)
        configure(manager, [config(tmp_path)])
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
        configure(manager, [config(make(tmp_path, 1))])
        make(tmp_path, 2)
        configure(manager, [config(tmp_path)])
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
        configure(manager, [config(make(tmp_path, 1))])
        make(tmp_path, 2)
        for _ in range(3):
            configure(manager, [config(tmp_path)])
            until(lambda: states(manager, "m")[2] == "END")
        assert tried == [1, 2]
        bad.clear()
        (tmp_path / "2").rmdir()
        configure(manager, [config(tmp_path)])
        make(tmp_path, 2)
        configure(manager, [config(tmp_path)])
        until(lambda: states(manager, "m") == {2: "AVAILABLE", 1: "END"})


def test_failed_load_is_retried_the_given_number_of_times(tmp_path: pathlib.Path) -> None:
    tried = []

    def load(name: str, version: int, path: str) -> Servable:
        tried.append(version)
        raise ValueError("broken")

    options = ManagerOptions(poll_wait_seconds=0, max_load_retries=2, load_retry_seconds=0)
    with Manager(load, options) as manager:
        with pytest.raises(StatusError) as caught:
            configure(manager, [config(make(tmp_path, 7))])
        assert str(caught.value) == (
            "1 servable(s) did not become available: "
            "{{{name: m version: 7} due to error: INTERNAL: ValueError: broken}, }"
        )
    assert tried == [7, 7, 7]


def test_a_late_base_path_is_waited_for(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), ManagerOptions(poll_wait_seconds=0.01)) as manager:
        loaded = manager.configure([config(tmp_path / "later")])
        with pytest.raises(StatusError, match="Latest"):
            manager.acquire(spec())
        make(tmp_path / "later", "notes")
        assert not loaded.done()
        make(tmp_path / "later", 3)
        loaded.result(60)
        assert answering(manager) == 3


def test_waiting_for_a_model_ends_when_the_server_stops(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), ManagerOptions(poll_wait_seconds=0.01)) as manager:
        wait = manager.configure([config(tmp_path / "never")])
    assert error_of(wait).code == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(StatusError, match="The server is stopping"):
        manager.configure([])


def missing(tmp_path: pathlib.Path, name: str = "late") -> ModelConfig:
    return ModelConfig(name=name, base_path=str(tmp_path / "missing"))


def error_of(wait: futures.Future) -> StatusError:
    error = wait.exception(60)
    assert isinstance(error, StatusError)
    return error


def test_a_wait_for_a_model_ends_when_a_newer_configuration_comes(tmp_path: pathlib.Path) -> None:
    good = config(make(tmp_path / "good", 1))
    with Manager(failing(), UNPOLLED) as manager:
        earlier = manager.configure([good, missing(tmp_path)])
        until(lambda: states(manager, "m") == {1: "AVAILABLE"})
        manager.configure([good]).result(60)
        error = error_of(earlier)
        assert error.code == grpc.StatusCode.ABORTED
        assert str(error) == (
            "A newer configuration came before these models were available: {name: late} Could "
            f"not find base path {tmp_path}/missing for servable late with error NOT_FOUND: No "
            f"such file or directory: {tmp_path}/missing"
        )


def test_a_wait_for_a_model_ends_with_its_deadline(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        error = error_of(manager.configure([missing(tmp_path)], seconds=0))
        assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "{name: late}" in str(error)


def test_the_same_configuration_again_waits_for_the_same_models(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        first = manager.configure([missing(tmp_path)])
        second = manager.configure([missing(tmp_path)])
        make(tmp_path / "missing", 1)
        manager.configure([missing(tmp_path)]).result(60)
        assert [first.result(60), second.result(60)] == [None, None]


def test_the_first_configuration_waits_for_the_models_of_a_newer_one(
    tmp_path: pathlib.Path,
) -> None:
    good = config(make(tmp_path / "good", 1))
    with Manager(failing(), UNPOLLED) as manager:
        start = manager.configure([missing(tmp_path)], starting=True)
        manager.configure([good])
        start.result(60)
        assert answering(manager) == 1


def test_a_base_path_that_cannot_be_read_changes_no_model(tmp_path: pathlib.Path) -> None:
    good, moved = config(make(tmp_path / "good", 1)), make(tmp_path / "moved", 1)
    models = [ModelConfig(name="moved", base_path=str(moved)), good, missing(tmp_path)]
    with Manager(failing(), UNPOLLED) as manager:
        configure(manager, models[:2])
        moved.rename(tmp_path / "elsewhere")
        make(tmp_path / "good", 2)
        manager.configure(models)
        until(lambda: states(manager, "m") == {2: "AVAILABLE", 1: "END"})
        assert states(manager, "moved") == {1: "AVAILABLE"}
        manager.configure([good])
        until(lambda: states(manager, "moved") == {1: "END"})


def test_an_unknown_scheme_fails_its_model_alone(tmp_path: pathlib.Path) -> None:
    good = config(make(tmp_path, 1))
    models = [ModelConfig(name="far", base_path="s3x://bucket/far"), good]
    with Manager(failing(), UNPOLLED) as manager:
        for _ in range(2):
            error = error_of(manager.configure(models))
            assert str(error) == (
                "1 model(s) did not become available: {{{name: far} due to error: UNIMPLEMENTED: "
                "File system scheme 's3x' not implemented (file: 's3x://bucket/far')}, }"
            )
            until(lambda: states(manager, "m") == {1: "AVAILABLE"})
        # The model is loaded once its base path is corrected.
        make(tmp_path / "near", 1)
        near = ModelConfig(name="far", base_path=str(tmp_path / "near"))
        manager.configure([near, good]).result(60)
        assert states(manager, "far") == {1: "AVAILABLE"}


def test_a_failed_version_is_loaded_from_another_base_path(tmp_path: pathlib.Path) -> None:
    def load(name: str, version: int, path: str) -> Servable:
        return failing(*[1] if "broken" in path else [])(name, version, path)

    wrong, right = (config(make(tmp_path / name, 1)) for name in ("broken", "good"))
    with Manager(load, UNPOLLED) as manager:
        assert error_of(manager.configure([wrong])).code == grpc.StatusCode.UNKNOWN
        manager.configure([right]).result(60)
        assert answering(manager) == 1
    # Nor does the wait for a retry delay the load.
    with Manager(load, ManagerOptions(poll_wait_seconds=0, load_retry_seconds=1e6)) as manager:
        manager.configure([wrong])
        until(lambda: any(status.error for status in manager.statuses("m")))
        manager.configure([right]).result(60)
        assert answering(manager) == 1


def test_a_base_path_that_vanished_unloads_nothing_and_an_empty_one_everything(
    tmp_path: pathlib.Path,
) -> None:
    base = make(tmp_path / "a", 1)
    with Manager(failing(), UNPOLLED) as manager:
        configure(manager, [config(base)])
        base.rename(tmp_path / "b")
        configure(manager, [config(base)])
        assert states(manager, "m") == {1: "AVAILABLE"}
        base.mkdir()
        configure(manager, [config(base)])
        until(lambda: states(manager, "m") == {1: "END"})
        # A version that reappears is loaded again.
        make(base, 1)
        configure(manager, [config(base)])
        until(lambda: states(manager, "m") == {1: "AVAILABLE"})


def test_a_model_that_is_no_longer_listed_is_unloaded(tmp_path: pathlib.Path) -> None:
    with Manager(failing(), UNPOLLED) as manager:
        configure(manager, [config(make(tmp_path, 1))])
        configure(manager, [])
        until(lambda: states(manager, "m") == {1: "END"})


def test_labels_name_versions_that_are_loaded(tmp_path: pathlib.Path) -> None:
    make(tmp_path, 1, 2)
    labelled = config(tmp_path, policy=BOTH, labels={"stable": 1, "canary": 2})
    with Manager(failing(), UNPOLLED) as manager:
        with pytest.raises(StatusError) as caught:
            configure(manager, [labelled])
        assert caught.value.code == grpc.StatusCode.FAILED_PRECONDITION
        assert str(caught.value) == (
            "Request to assign label to version 1 of model m, "
            "which is not currently available for inference"
        )
        configure(manager, [config(tmp_path, policy=BOTH)])
        configure(manager, [labelled])
        assert answering(manager, label="stable") == 1
        assert answering(manager, label="canary") == 2
        with pytest.raises(StatusError, match="Unrecognized servable version label: best"):
            manager.acquire(spec(label="best"))


def test_a_new_label_may_be_early_where_that_is_allowed_but_not_move_so(
    tmp_path: pathlib.Path,
) -> None:
    options = ManagerOptions(poll_wait_seconds=0, labels_for_unavailable=True)
    with Manager(failing(), options) as manager:
        configure(manager, [config(make(tmp_path, 1), labels={"stable": 1})])
        assert answering(manager, label="stable") == 1
        with pytest.raises(StatusError, match="assign label to version 2"):
            configure(manager, [config(tmp_path, labels={"stable": 2})])


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
            served.manager.configure(live).result(60)
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
