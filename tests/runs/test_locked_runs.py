"""One training at a time writes a run directory."""

import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from tests import flags, programs
from tests.tiny import QUICK
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory

HOLDER = """
import pathlib, signal, sys
from tfgan2.runs.directory import RunDirectory
with RunDirectory(pathlib.Path(sys.argv[1])).locked():
    print("locked", flush=True)
    signal.pause()
"""


@pytest.mark.usefixtures("classifier")
def test_a_second_training_is_refused_and_evaluation_is_not(
    run: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    before = sorted(path.name for path in copy.iterdir())
    places = (f"--run_dir={copy}", f"--data_dir={data_dir}")
    with RunDirectory(copy).locked():
        error = programs.error_of("tfgan2.train", *flags.of(QUICK), *places, "--steps=9")
        evaluated = programs.run("tools.evaluate", *places, "--metrics=diversity", "--samples=32")
    assert error.startswith("--run_dir: must not be written by another process at the same time (")
    assert error.endswith(f", got {copy}")
    assert evaluated.returncode == 0, evaluated.stderr
    assert {path.name for path in copy.iterdir()} == {*before, ".lock", "evaluations.jsonl"}
    assert not (copy / "checkpoints" / "ckpt-9.index").exists()


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path: pathlib.Path) -> None:
    run = RunDirectory(tmp_path / "run")
    command = [sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, cwd=programs.ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(UsageError, match=rf"\(process {holder.pid} on .*\), got {run.path}$"):
            run.locked().__enter__()
        holder.send_signal(signal.SIGKILL)
    assert [path.name for path in run.path.iterdir()] == [".lock"]
    assert RunDirectory.at(run.path).path == run.path
    with run.locked():
        pass


def fail_while_locked(run: RunDirectory, *names: str) -> None:
    with run.locked():
        for name in names:
            (run.path / name).touch()
        raise RuntimeError


def test_a_start_that_fails_leaves_no_directory(tmp_path: pathlib.Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(RuntimeError):
        fail_while_locked(run)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError):
        fail_while_locked(run, "notes.txt")
    assert [path.name for path in run.path.iterdir()] == ["notes.txt"]
