"""Runs the public commands in order: from real pictures to an image over gRPC.

Example:
  python -m tools.quickstart
  python -m tools.quickstart --data=emoji --steps=5000
"""

from absl import flags

from tfgan2 import program
from tools import examples

FLAGS = flags.FLAGS
flags.DEFINE_enum("data", "digits", list(examples.EXAMPLES), "data set, a source of tools.prepare")
flags.DEFINE_integer("steps", None, "goal of the training in steps; default: the recipe's", 1)
HELP_GROUPS = {"Optional": ["data", "steps"]}


def main() -> None:
    """Runs the commands of the chosen data set."""
    examples.run(FLAGS.data, steps=FLAGS.steps)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
