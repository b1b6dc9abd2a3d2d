"""The server as a child process: what it prints, and how it ends."""

import pathlib
import re
import subprocess
import sys

import pytest

from serving.child_server import NotStartedError, child_server, free_port

COMMAND = [sys.executable, "-m", "serving.server", "--model_name=doubler"]
OWN_LINE = re.compile(r"I\d{4} \S+ \d+ (warmup|manager|model_server)\.py:\d+\] ")


def test_server_prints_only_its_own_lines(
    doubler_versions: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    path = tmp_path / "stderr"
    command = [*COMMAND, f"--model_base_path={doubler_versions}", f"--port={free_port()}"]
    with path.open("w") as stderr, child_server(command, stderr=stderr) as server:
        assert server.poll() is None
    lines = path.read_text().splitlines()
    assert lines
    assert [line for line in lines if not OWN_LINE.match(line)] == []


def test_a_server_that_ends_at_once_hands_on_its_exit_code(tmp_path: pathlib.Path) -> None:
    command = [*COMMAND, f"--model_base_path={tmp_path}", "--port=-1"]
    with pytest.raises(NotStartedError) as ended, child_server(command, stderr=subprocess.DEVNULL):
        pass
    assert ended.value.code == 2
