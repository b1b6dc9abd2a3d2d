"""The server as a child process: what it prints, and how it ends."""

import importlib.metadata
import pathlib
import re
import subprocess
import sys

import pytest

from serving.child_server import NotStartedError, child_server, free_port
from tests import programs

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


@pytest.mark.parametrize("flag", ["--help", "--helpshort"])
def test_help_of_the_server_lists_its_flags_in_groups(flag: str) -> None:
    ended = programs.run("serving.server", flag)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "python -m serving.server --model_name=digits" in ended.stdout
    groups = re.findall(r"^(\w.*):\n  --", ended.stdout, re.MULTILINE)
    expected = ["Models", "Loading of versions", "Ports", "gRPC", "REST", "Running of requests"]
    assert groups == expected
    shown = re.findall(r"^  --(?:\[no\])?(\w+):\s", ended.stdout, re.MULTILINE)
    assert len(shown) == len(set(shown))
    every = programs.run("serving.server", "--helpxml").stdout
    own = re.findall(r"<file>serving\.server\.server_flags</file>\s*<name>(\w+)</name>", every)
    assert set(shown) == set(own)


def test_version_of_the_server_has_the_form_of_tensorflow_serving() -> None:
    ended = programs.run("serving.server", "--version")
    assert (ended.returncode, ended.stderr) == (0, "")
    server, library = ended.stdout.splitlines()
    assert re.fullmatch(r"TensorFlow ModelServer: tfgan2 \S.*", server)
    assert library == f"TensorFlow Library: {importlib.metadata.version('tensorflow')}"


def test_a_server_that_ends_at_once_hands_on_its_exit_code(tmp_path: pathlib.Path) -> None:
    command = [*COMMAND, f"--model_base_path={tmp_path}", "--port=-1"]
    with pytest.raises(NotStartedError) as ended, child_server(command, stderr=subprocess.DEVNULL):
        pass
    assert ended.value.code == 2
