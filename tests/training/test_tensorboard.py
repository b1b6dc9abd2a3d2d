"""TensorBoard's own command shows a run."""

import json
import re
import subprocess
import sys
import urllib.request

from tfgan2.runs.directory import RunDirectory


def test_the_command_of_tensorboard_shows_the_curves_of_a_run(run: RunDirectory) -> None:
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={run.tensorboard}"]
    server = subprocess.Popen(
        [*command, "--host=127.0.0.1", "--port=0", "--load_fast=false"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = []
        for line in server.stderr:
            lines.append(line)
            if address := re.search(r"http://127\.0\.0\.1:\d+/", line):
                break
        assert address, "".join(lines)
        with urllib.request.urlopen(f"{address[0]}data/environment") as answer:
            assert json.load(answer)["data_location"] == str(run.tensorboard)
    finally:
        server.kill()
        server.communicate()
