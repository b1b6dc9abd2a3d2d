"""What every program shares."""

import io
import sys

import pytest

from tfgan2 import program


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    items = program.progress(range(1000), total=1000, description="verify", unit="shards")
    assert list(items) == [*range(1000)]
    return stream.getvalue()


def test_a_log_has_a_line_for_each_state_of_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SECONDS_BETWEEN_LINES", 3600.0)
    text = shown(io.StringIO(), monkeypatch)
    assert "\r" not in text
    first, *others = text.splitlines()
    assert first.startswith("verify:   0%")
    assert {line.partition("|")[0] for line in others} == {"verify: 100%"}
    assert len(others) <= 2


def test_a_terminal_has_a_bar_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(Terminal(), monkeypatch)
    assert text.count("\n") == 1
    assert text.split("\r")[-1].startswith("verify: 100%")
