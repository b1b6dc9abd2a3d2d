"""Versions are found in base paths; a problem of a base path is logged once."""

import os
import pathlib

import grpc
import pytest

from serving.server.lifecycle.base_paths import BasePaths, list_versions
from serving.server.lifecycle.model_config import ModelConfig, Policy
from serving.server.status import StatusError


def make(base_path: pathlib.Path, *names: str | bytes) -> str:
    base_path.mkdir(exist_ok=True)
    for name in names:
        os.mkdir(os.path.join(os.fsencode(base_path), os.fsencode(name)))
    return str(base_path)


def test_versions_are_folders_named_by_numbers(tmp_path: pathlib.Path) -> None:
    make(tmp_path, "0", "7", "00012", ".partial-3", "notes", "-1", "1e3", "9" * 30, "\u0663")
    assert list_versions(str(tmp_path)).keys() == {0, 7, 12}


def test_a_local_folder_may_be_a_uri(tmp_path: pathlib.Path) -> None:
    assert list_versions("file://" + make(tmp_path, "3")) == {3: f"file://{tmp_path}/3"}


def test_names_that_are_not_utf8_hide_no_version(tmp_path: pathlib.Path) -> None:
    make(tmp_path, "1", b"caf\xe9", b"\xff\xfe")
    assert list_versions(str(tmp_path)).keys() == {1}


def test_the_reason_is_told_why_a_base_path_cannot_be_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reason(base_path: str) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(StatusError) as caught:
            list_versions(base_path)
        return caught.value.code, str(caught.value)

    codes = grpc.StatusCode
    assert reason(f"{tmp_path}/a") == (
        codes.NOT_FOUND,
        f"No such file or directory: {tmp_path}/a",
    )
    assert reason("s3x://bucket/m") == (
        codes.UNIMPLEMENTED,
        "File system scheme 's3x' not implemented (file: 's3x://bucket/m')",
    )
    assert reason("/a\0b") == (codes.INTERNAL, "ValueError: embedded null byte")

    def refuse(path: str) -> list[str]:  # Root may read every folder.
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert reason(str(tmp_path)) == (codes.PERMISSION_DENIED, f"Permission denied: {tmp_path}")


def test_a_problem_is_logged_when_it_begins_or_changes(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    base_path, paths = tmp_path / "m", BasePaths()
    model = ModelConfig(name="m", base_path=str(base_path), policy=Policy(specific=(4,)))
    gone = ModelConfig(name="gone", base_path=f"{tmp_path}/gone")

    def logged() -> list[str]:
        caplog.clear()
        paths.read([model, gone])
        return [record.message for record in caplog.records]

    assert logged() == [
        f"Could not find base path {each.base_path} for servable {each.name} with error "
        f"NOT_FOUND: No such file or directory: {each.base_path}"
        for each in (model, gone)
    ]
    assert logged() == []
    make(base_path)
    assert [text.split(",")[0] for text in logged()] == [
        "Version 4 of servable m",
        f"No versions of servable m found under base path {base_path}. Did you forget to name "
        "your leaf directory as a number (eg. '/1/')?",
    ]
    make(base_path, "3")
    assert logged() == []
    make(base_path, "4")
    assert logged() == []
    (base_path / "4").rmdir()
    assert len(logged()) == 1
