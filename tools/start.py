r"""Trains, evaluates and exports a model of your own captioned images, in one command.

Looks at the folder, chooses a recipe and sizes by the table of docs/choosing.md, and runs the
programs of this package in order. Each command is printed before it runs. Ctrl-C stops; the same
command continues. A larger --hours extends a finished training.

Example:
  python -m tools.start --input_dir=my_images --output_dir=mine --hours=1 --dry_run
  python -m tools.start --input_dir=my_images --output_dir=mine --hours=1
"""

import pathlib

from absl import flags

from tfgan2 import program
from tools import commands
from tools.starting import rules, starting
from tools.starting.phases import Places

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "input_dir", None, "folder of images with captions, as for tools.prepare", required=True
)
flags.DEFINE_string("output_dir", None, "folder for everything that is written", required=True)
flags.DEFINE_float("hours", 1.0, "hours of training, without the other phases", 0.001)
flags.DEFINE_enum(
    "image_size",
    None,
    [str(size) for size in rules.IMAGE_SIZES_PX],
    "side of the generated pictures in px; default: chosen",
)
flags.DEFINE_bool("dry_run", False, "print the choice, the estimate and the commands; run nothing")
HELP_GROUPS = {
    "Required": ["input_dir", "output_dir"],
    "Optional": ["hours", "image_size", "dry_run"],
}


def main() -> None:
    """Runs the phases that are not done yet."""
    try:
        starting.start(
            Places(pathlib.Path(FLAGS.input_dir), pathlib.Path(FLAGS.output_dir)),
            hours=FLAGS.hours,
            image_size=FLAGS.image_size and int(FLAGS.image_size),
            dry_run=FLAGS.dry_run,
        )
    except KeyboardInterrupt:  # Between two commands.
        commands.stopped()


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
