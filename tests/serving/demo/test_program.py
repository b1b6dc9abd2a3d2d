"""The page as a program: flags, mistakes, one command with a server of its own, a quiet end."""

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

from tests.serving import stub as stubs
from tests.serving.demo.pages import Answer, Page
from tests.serving.stub import Stub

ROOT = pathlib.Path(__file__).parents[3]
SERVED = ["--target=localhost:1", "--model=m"]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "serving.demo", *options]


@contextlib.contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen, Page]]:
    """Starts the program on a free port, and yields it once that is open."""
    with subprocess.Popen(
        command("--host=127.0.0.1", "--port=0", *options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        try:
            line = next(line for line in program.stdout if "http://" in line)
            yield program, Page(int(line.rpartition(":")[2].strip("/\n")))
        finally:
            program.kill()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "error: --target: must be given, or else --quickstart, got neither"),
        (["--target=a:1"], "error: --model: must be given, or else --quickstart, got neither"),
        (
            ["--target=a", "--model=m"],
            "error: --target: must be host:port, or several a:1,",
        ),
        ([*SERVED, "--port=99999"], "error: --port=99999: 99999 is not an integer in the range"),
        ([*SERVED, "--host=192.0.2.1"], "error: --port: must be free, at an address of this"),
        ([*SERVED, "--rate_limit=8"], "error: --rate_limit: must be 0 or at least --gallery"),
        ([*SERVED, "--model_card=none"], "error: --model_card: must be a file that can be read"),
        ([*SERVED, "--model_card=Makefile"], "error: --model_card: must be a JSON file, got"),
        (["--quickstart", "--target=a:1"], "error: --target: must be left out with --quickstart"),
        (["--quickstart", "--exports_dir=docs"], "error: --exports_dir: must hold an export, as"),
        ([*SERVED, "seven"], "error: arguments: only flags are taken, got seven"),
    ],
)
def test_a_mistake_is_one_line(options: list[str], told: str) -> None:
    ended = subprocess.run(command(*options), cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(told)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ([], "must hold a JSON object, got list"),
        ({"trained_on": "digits"}, "trained_on must be dict, got str"),
        ({"example_captions": [1]}, "example_captions must be texts, got others"),
    ],
)
def test_a_card_of_another_form_is_a_mistake(
    card: object, told: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card))
    ended = subprocess.run(
        command(*SERVED, f"--model_card={path}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.startswith(f"error: --model_card: {told}")) == (2, True)


def test_the_help_has_an_example() -> None:
    told = subprocess.run(
        command("--helpshort"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0
    assert "python -m serving.demo --target=localhost:8500 --model=digits" in told.stdout


def test_it_needs_no_tensorflow() -> None:
    program = "import sys, serving.demo.__main__; print([m for m in sys.modules if 'tensor' in m])"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "['serving.wire.tensors']\n"


def test_sigterm_ends_what_has_begun() -> None:
    stub, answers = Stub(), list[Answer]()
    stub.stuck = True
    with (
        stubs.serve(stub) as target,
        running(f"--target={target}", "--model=stub", "--timeout_seconds=300") as (program, page),
    ):
        asking = threading.Thread(target=lambda: answers.append(page.ask("/text/seven?seed=1")))
        asking.start()
        assert stub.asked.wait(60)
        program.send_signal(signal.SIGTERM)
        stub.given_up.set()  # The model goes on.
        assert program.wait(60) == 0
        asking.join()
    assert [answer.status for answer in answers] == [200]


def test_one_command_serves_the_newest_export(export_dir: pathlib.Path) -> None:
    options = ("--quickstart", f"--exports_dir={export_dir.parent}", f"--model={export_dir.name}")
    with running(*options) as (program, page):
        model = page.ask("/model").json
        assert (model["name"], model["kind"]) == (export_dir.name, "caption")
        caption = urllib.parse.quote(model["card"]["example_captions"][0])
        assert page.ask(f"/text/{caption}?seed=1").headers["Content-Type"] == "image/png"
        children = pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children")
        (server,) = children.read_text().split()
        program.send_signal(signal.SIGTERM)
        assert program.wait(120) == 0
    assert not pathlib.Path("/proc", server).exists()
