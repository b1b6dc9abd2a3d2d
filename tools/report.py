r"""Writes a self-contained HTML page about one or several runs.

Example:
  python -m tools.report --run_dir=runs/digits
  python -m tools.report --run_dir=runs/digits --run_dir=runs/other --output=digits_and_other.html
"""

import pathlib

from absl import flags

from tfgan2 import program
from tfgan2.program import UsageError, write_file

NAME = "report.html"

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("run_dir", None, "run directory; may be given again", required=True)
flags.DEFINE_string("output", None, f"HTML file; default: {NAME} in the first run directory")
flags.DEFINE_integer("sheets", 6, "sample grids per run, evenly chosen from all its steps", 1)
HELP_GROUPS = {"Required": ["run_dir"], "Optional": ["output", "sheets"]}


def main() -> None:
    """Reads the runs, and writes the page."""
    output = pathlib.Path(FLAGS.output or pathlib.Path(FLAGS.run_dir[0]) / NAME)
    if output.is_dir():
        raise UsageError("--output", "must be a file or absent", output)
    # Imported here: help needs neither these modules nor their packages, those of an extra.
    from tools.reports import page, reading

    runs = reading.read_runs(FLAGS.run_dir, grids=FLAGS.sheets)
    for run in runs:
        for sentence in run.unreadable:
            program.warn(f"{run.name}: {sentence}")
    try:
        write_file(output, page.render(runs).encode())
    except OSError as error:
        raise UsageError("--output", "must be where a file can be written", error) from error
    print(f"{output}: {output.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
