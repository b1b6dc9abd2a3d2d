"""Runs programs in forks of one new Python process that has loaded no large library.

The argument is a JSON object: `commands`, lists of a module and its arguments, and `blocked`, names
of packages that seem missing. A line of JSON for each program says its exit code, its output, its
flags and the packages that it loads.
"""

import contextlib
import io
import json
import multiprocessing
import pathlib
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any

ROOT = pathlib.Path(__file__).parents[1]


def run(command: list[str], blocked: list[str], answer: Connection) -> None:
    module, *_ = sys.argv = command
    sys.modules |= dict.fromkeys(blocked)
    output, errors, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        except Exception:
            code = 1
            traceback.print_exc(file=errors)
    from absl import flags

    defined = flags.FLAGS.flags_by_module_dict()
    answer.send(
        {
            "module": module,
            "code": code,
            "stdout": output.getvalue(),
            "stderr": errors.getvalue(),
            "flags": [
                flag.name
                for where, own in defined.items()
                if not where.startswith("absl.")
                for flag in own
            ],
            "loaded": sorted({name.partition(".")[0] for name in sys.modules}),
        }
    )


def main(request: dict[str, Any]) -> None:
    fork = multiprocessing.get_context("fork")
    for command in request["commands"]:
        answers, answer = fork.Pipe(duplex=False)
        own = (command, request["blocked"], answer)
        process = fork.Process(target=run, args=own)
        process.start()
        answer.close()  # The pipe then ends with the process, whatever ends the process.
        print(json.dumps(answers.recv()))
        process.join()


def ended(
    commands: Iterable[Sequence[str]], *, blocked: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Runs programs to their ends, and returns how each ended, by its module."""
    request = {"commands": [*map(list, commands)], "blocked": [*blocked]}
    shown = subprocess.run(
        [sys.executable, "-m", "tests.light_programs", json.dumps(request)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line["module"]: line for line in map(json.loads, shown.stdout.splitlines())}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
