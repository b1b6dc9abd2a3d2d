"""Reads captioned images as users have them, and writes the data set that training reads.

Example:
  python -m tools.prepare --source=digits --output_dir=data/digits
"""

from absl import flags

from tfgan2 import program
from tfgan2.data import records, sources
from tfgan2.text.tokenizers import count_words

FLAGS = flags.FLAGS
flags.DEFINE_enum("source", None, tuple(sources.READERS), "layout of the files", required=True)
flags.DEFINE_string("input_dir", None, "where the files are; digits has its own")
flags.DEFINE_string("output_dir", None, "where the data set is to be", required=True)
flags.DEFINE_integer("image_size", 32, "side of the images written, in pixels", 8, 1024)
flags.DEFINE_float("test_fraction", 0.1, "share of test images, of every class", 0.0, 0.9)


def main() -> None:
    """Prepares, and prints what was written."""
    options = sources.SourceOptions(
        input_dir=FLAGS.input_dir, image_size=FLAGS.image_size, test_fraction=FLAGS.test_fraction
    )
    manifest = records.write(
        sources.read(FLAGS.source, options),
        source=FLAGS.source,
        image_size=FLAGS.image_size,
        output_dir=FLAGS.output_dir,
        count_words=count_words,
    )
    counts = ", ".join(f"{manifest.records(split)} {split}" for split in manifest.splits)
    print(f"{FLAGS.output_dir}: {counts}, {len(manifest.vocabulary)} words")


if __name__ == "__main__":
    program.run(main)
