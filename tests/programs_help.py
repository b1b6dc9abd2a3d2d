"""Runs programs with one argument each in forks of one new Python process, for test_help.py.

The argument is a JSON object: `modules`, `argument`, and `blocked`, packages that seem missing. A
line of JSON for each program says its exit code, its output, its flags and the loaded packages.
"""

import contextlib
import io
import json
import multiprocessing
import runpy
import sys
from multiprocessing.connection import Connection
from typing import Any


def run(module: str, argument: str, blocked: list[str], answer: Connection) -> None:
    sys.argv = [module, argument] if argument else [module]
    sys.modules |= dict.fromkeys(blocked)
    output, errors, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
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
    for module in request["modules"]:
        answers, answer = fork.Pipe(duplex=False)
        own = (module, request["argument"], request["blocked"], answer)
        process = fork.Process(target=run, args=own)
        process.start()
        answer.close()  # The pipe then ends with the process, whatever ends the process.
        print(json.dumps(answers.recv()))
        process.join()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
