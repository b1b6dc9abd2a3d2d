"""Commands that a program runs in order: shown, stopped, failed."""

import signal
import subprocess
import sys

import pytest

from tests import programs
from tools import commands


def test_a_command_is_shown_as_a_user_types_it(capsys: pytest.CaptureFixture[str]) -> None:
    command = commands.announce("tools.prepare", "--input_dir=my images")
    assert capsys.readouterr().out == "\n$ python -m tools.prepare '--input_dir=my images'\n"
    assert command == [sys.executable, "-m", "tools.prepare", "--input_dir=my images"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_command_and_what_follows(number: signal.Signals) -> None:
    # Under nohup the tests ignore SIGHUP, and so would the program.
    code = (
        f"import signal; signal.signal({int(number)}, signal.default_int_handler); "
        "from tools import commands; commands.run('tests.tools.until_told'); print('next')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=programs.ROOT, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(3)]
        assert lines == ["\n", "$ python -m tests.tools.until_told\n", "ready\n"]
        running.send_signal(number)
        rest = running.stdout.read()
    assert running.returncode == 0
    assert rest == "\nStopped. The same command continues.\n"


def test_the_code_of_a_failed_command_ends_the_program() -> None:
    with pytest.raises(SystemExit) as ended:
        commands.run("tests.tools.no_such_program")
    assert ended.value.code == 1
