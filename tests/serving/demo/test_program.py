"""The page as a program: flags, user errors, --quickstart, shutdown."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from tests import programs
from tests.serving.demo.pages import Page, PageResponse
from tests.serving.stub import Stub

ROOT = pathlib.Path(__file__).parents[3]
SERVED = ("--target=localhost:1", "--model=m")


@contextlib.contextmanager
def running(*options: str) -> Iterator[tuple[programs.Running, Page]]:
    """Starts the program on a free port, and yields the program when the port is open."""
    with programs.start("serving.demo", "--host=127.0.0.1", "--port=0", *options) as program:
        line = next(line for line in program.stdout if "http://" in line)
        yield program, Page(int(line.rpartition(":")[2].strip("/\n")))


MISTAKES = [
    ("--target: must be given, or else --quickstart, got neither",),
    ("--model: must be given, or else --quickstart, got neither", "--target=a:1"),
    ("--target: must be host:port, or several a:1,", "--target=a", "--model=m"),
    ("--port: must be an integer in the range [0, 65535], got '99999'", *SERVED, "--port=99999"),
    ("--port: must be free, at an address of this", *SERVED, "--host=192.0.2.1"),
    ("--rate_limit: must be 0 or at least --gallery", *SERVED, "--rate_limit=8"),
    ("--model_card: must be a file that can be read", *SERVED, "--model_card=none"),
    ("--model_card: must be a JSON file, got", *SERVED, "--model_card=Makefile"),
    ("--target: must be left out with --quickstart", "--quickstart", "--target=a:1"),
    ("--exports_dir: must hold an export, as", "--quickstart", "--exports_dir=docs"),
    ("arguments: only flags are taken, got seven", *SERVED, "seven"),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case[-1])
def test_user_error_is_one_line(case: tuple[str, ...]) -> None:
    message, *options = case
    assert programs.error_of("serving.demo", *options).startswith(message)


def test_invalid_model_card_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "card.json"
    for card, message in (
        ([], "must hold a JSON object, got list"),
        ({"trained_on": "digits"}, "trained_on must be dict, got str"),
        ({"example_captions": [1]}, "example_captions must be texts, got others"),
    ):
        path.write_text(json.dumps(card))
        error = programs.error_of("serving.demo", *SERVED, f"--model_card={path}")
        assert error.startswith(f"--model_card: {message}")


def test_the_help_has_an_example() -> None:
    ended = programs.run("serving.demo", "--helpshort")
    assert ended.returncode == 0
    assert "python -m serving.demo --target=localhost:8500 --model=digits" in ended.stdout


def test_it_needs_no_tensorflow() -> None:
    program = "import sys, serving.demo.command; print([m for m in sys.modules if 'tensor' in m])"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "['serving.wire.tensors']\n"


def test_sigterm_finishes_running_requests(stub: Stub, address: str) -> None:
    answers: list[PageResponse] = []
    stub.stuck = True
    options = (f"--target={address}", "--model=stub", "--timeout_seconds=300")
    with running(*options) as (program, page):
        thread = threading.Thread(target=lambda: answers.append(page.fetch("/text/seven?seed=1")))
        thread.start()
        assert stub.received.wait(60)
        program.send_signal(signal.SIGTERM)
        stub.given_up.set()  # The model server goes on.
        assert program.wait(60) == 0
        thread.join()
    assert [answer.status for answer in answers] == [200]


def test_one_command_serves_the_newest_export(export_dir: pathlib.Path) -> None:
    options = ("--quickstart", f"--exports_dir={export_dir.parent}", f"--model={export_dir.name}")
    with running(*options) as (program, page):
        model = page.fetch("/model").json
        assert (model["name"], model["kind"]) == (export_dir.name, "caption")
        caption = urllib.parse.quote(model["card"]["example_captions"][0])
        assert page.fetch(f"/text/{caption}?seed=1").headers["Content-Type"] == "image/png"
        children = pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children")
        (server,) = children.read_text().split()
        program.send_signal(signal.SIGTERM)
        assert program.wait(120) == 0
    assert not pathlib.Path("/proc", server).exists()
