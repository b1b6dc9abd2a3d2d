"""Runs that are killed or lose a machine resume with the same result."""

import contextlib
import json
import os
import pathlib
import pty
import random
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import flags
from tests.tiny import QUICK
from tfgan2.program import UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.recipe import Schedule
from tfgan2.training import workers

ROOT = pathlib.Path(__file__).parents[2]
SCHEDULE = Schedule(checkpoint_every=10, sample_every=1000, log_every=5)
KILLS = 8


class Training:
    """A process of the training program; its progress bar on a terminal paces these tests.

    A terminal must be read: a program waits once some kilobytes are unread.
    """

    def __init__(
        self,
        data_dir: pathlib.Path,
        run_dir: pathlib.Path,
        *,
        steps: int,
        environment: dict | None = None,
        has_terminal: bool = True,
    ) -> None:
        command = [
            *(sys.executable, "-m", "tfgan2.train", *flags.of(QUICK), *flags.of(SCHEDULE)),
            *(f"--data_dir={data_dir}", f"--run_dir={run_dir}", f"--steps={steps}"),
        ]
        self._terminal, other_side = pty.openpty() if has_terminal else (None, subprocess.DEVNULL)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=other_side,
            text=True,
        )
        if has_terminal:
            os.close(other_side)

    def read(self, count: int) -> str:
        """Returns the next bytes of the program's output; fewer than the count at its end."""
        shown = b""
        if self._terminal is None:
            return ""
        with contextlib.suppress(OSError):  # So a terminal ends whose other side is closed.
            while len(shown) < count:
                shown += os.read(self._terminal, min(count - len(shown), 65_536))
        return shown.decode(errors="replace")

    def end(self) -> tuple[str, str]:
        """Waits for the end; returns the standard output and the rest of the terminal output."""
        shown = self.read(sys.maxsize)
        if self._terminal is not None:
            os.close(self._terminal)
        return self.process.communicate()[0], shown


def final_values(run_dir: pathlib.Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoint.find(RunDirectory(run_dir).checkpoints)[0])
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "save_counter" not in name and "OBJECT_GRAPH" not in name
    }


def logged_steps(run_dir: pathlib.Path) -> list[int]:
    """Steps of the metrics lines, without warnings."""
    lines = RunDirectory(run_dir).metrics_file.read_text().splitlines()
    return [line["step"] for line in map(json.loads, lines) if "warning" not in line]


@pytest.mark.slow
def test_repeatedly_killed_run_ends_with_the_weights_of_an_uninterrupted_run(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    steps = 300
    whole = Training(data_dir, tmp_path / "whole", steps=steps)
    assert f"step {steps}" in whole.end()[0]
    moments = random.Random(0)
    for _ in range(KILLS):
        broken = Training(data_dir, tmp_path / "broken", steps=steps)
        broken.read(moments.randrange(1, 1500))  # Some kills come before the first step, some late.
        broken.process.send_signal(signal.SIGKILL)
        broken.end()
        assert broken.process.returncode in (-signal.SIGKILL, 0)
    last = Training(data_dir, tmp_path / "broken", steps=steps)
    assert f"step {steps}" in last.end()[0]
    ours, theirs = final_values(tmp_path / "broken"), final_values(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
    for name in ("broken", "whole"):
        assert logged_steps(tmp_path / name) == [*range(5, steps + 1, 5)]


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("localhost", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def start_two(data_dir: pathlib.Path, run_dir: pathlib.Path, *, steps: int) -> list[Training]:
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    return [
        Training(
            data_dir,
            run_dir,
            steps=steps,
            environment={
                workers.VARIABLE: json.dumps(
                    {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                )
            },
            has_terminal=index == 0,
        )
        for index in range(2)
    ]


@pytest.mark.slow
def test_two_machines_train_one_is_lost_and_both_go_on(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    chief, other = start_two(data_dir, run.path, steps=100_000)
    while not checkpoint.find(run.checkpoints) and chief.process.poll() is None:
        chief.read(1)
    other.process.kill()
    other.end()
    errors = chief.end()[1]
    assert chief.process.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: another worker has ended")

    (newest, *_) = checkpoint.find(run.checkpoints)
    reached = int(newest.rpartition("-")[2])
    both = start_two(data_dir, run.path, steps=reached + 20)
    outputs = [training.end() for training in both]
    assert [training.process.returncode for training in both] == [0, 0], outputs
    assert all(f"done: step {reached + 20}" in output for output, _ in outputs)
    assert logged_steps(run.path) == [*range(5, reached + 21, 5)]

    # A signal to one of them stops both at the same step.
    chief, other = start_two(data_dir, run.path, steps=100_000)
    while int(checkpoint.find(run.checkpoints)[0].rpartition("-")[2]) <= reached + 20:
        chief.read(1)
    other.process.send_signal(signal.SIGTERM)
    outputs = [training.end()[0] for training in (chief, other)]
    assert [training.process.returncode for training in (chief, other)] == [0, 0]
    # Later lines contain times, which differ.
    stopped_at, other_stopped_at = (output.splitlines()[0] for output in outputs)
    assert stopped_at == other_stopped_at
    assert stopped_at.startswith("left before step 100000: step ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}', False),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', True),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, '
            '"task": {"type": "chief", "index": 0}}',
            True,
        ),
    ],
    ids=["none", "one", "two", "chief"],
)
def test_tf_config_decides_about_the_cluster(
    text: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(workers.VARIABLE, text)
    assert workers.in_cluster() == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_invalid_tf_config_is_one_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workers.VARIABLE, text)
    with pytest.raises(UsageError, match="TF_CONFIG: must "):
        workers.in_cluster()
