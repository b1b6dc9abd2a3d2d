"""Progress bars of programs, and the home directory in their flags."""

import io
import pathlib
import sys

import pytest

from tests import light_programs
from tfgan2 import program


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    items = program.progress(range(1000), total=1000, description="verify", unit="shards")
    assert list(items) == [*range(1000)]
    return stream.getvalue()


def test_log_file_has_one_line_per_state_of_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SECONDS_BETWEEN_LINES", 3600.0)
    text = shown(io.StringIO(), monkeypatch)
    assert "\r" not in text
    first, *others = text.splitlines()
    assert first.startswith("verify:   0%")
    assert {line.partition("|")[0] for line in others} == {"verify: 100%"}
    assert len(others) <= 2


def test_terminal_shows_the_bar_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(Terminal(), monkeypatch)
    assert text.count("\n") == 1
    assert text.split("\r")[-1].startswith("verify: 100%")


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["tools.prepare", "--verify=~/none"], "--verify"),
        (["serving.client", "--model=digits", "--caption=a", "--output=~/none/a.png"], "--output"),
    ],
)
def test_home_directory_is_named_by_a_tilde(
    command: list[str], flag: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (ended,) = light_programs.ended([command]).values()
    assert ended["code"] == 2
    assert ended["stderr"].startswith(f"error: {flag}: must ")
    assert f"got {tmp_path}/none" in ended["stderr"]
