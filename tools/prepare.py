r"""Reads captioned images as users have them, and writes the data set that training reads.

Examples:
  python -m tools.prepare --source=digits --output_dir=data/digits
  python -m tools.prepare --source=folder --input_dir=photos --output_dir=data/photos \
    --image_size=64 --resize=crop
  python -m tools.prepare --verify=data/photos
"""

import os
from typing import Any

from absl import flags

from tfgan2 import program
from tfgan2.data import images, sources

FLAGS = flags.FLAGS
flags.DEFINE_enum("source", None, tuple(sources.SOURCES), "layout of the files")
flags.DEFINE_string("input_dir", None, "where the files are; digits and emoji have their own")
flags.DEFINE_string("output_dir", None, "where the data set is to be")
flags.DEFINE_integer(
    "image_size",
    None,
    "side of the squares written, in pixels; default: "
    + ", ".join(f"{name} {source.image_size}" for name, source in sources.SOURCES.items()),
    8,
    1024,
)
flags.DEFINE_float(
    "test_fraction",
    None,
    f"share of test images where the source has no published split; default: "
    f"{sources.DEFAULT_TEST_FRACTION}",
    0.0,
    0.9,
)
flags.DEFINE_enum(
    "resize", None, images.RESIZE, "how other shapes become squares; default: folder pad, else crop"
)
flags.DEFINE_string(
    "background", None, "colour behind padding and transparency: #rrggbb or a name; default: white"
)
flags.DEFINE_integer(
    "max_pixels", None, f"images with more are rejected; default: {images.DEFAULT_MAX_PIXELS}", 1
)
flags.DEFINE_string("held_out", None, "file of names, a line each, that emoji keeps for the test")
flags.DEFINE_string("class_names", None, "file of names, a line for each label of mnist_idx")
flags.DEFINE_integer("max_rejects", None, "fails if more are rejected; default: any number", 0)
flags.DEFINE_integer("limit", None, "at most so many images, taken evenly from the splits", 1)
flags.DEFINE_integer("workers", os.cpu_count(), "processes that read and encode images", 1)
flags.DEFINE_bool("dry_run", False, "does everything but leave a data set behind")
flags.DEFINE_string("verify", None, "a data set to check, byte for byte, instead of writing one")

SHOWN_REASONS = 20
OPTIONS = ("test_fraction", "resize", "background", "max_pixels", "held_out", "class_names")


def main() -> None:
    """Prepares or verifies, and prints what is there."""
    if FLAGS.verify is not None:
        _verify(FLAGS.verify)
        return
    for name in ("source", "output_dir"):
        if FLAGS[name].value is None:
            raise program.UsageError(f"--{name}", "must be given", "nothing")
    # The worker processes load this file, and have no use for TensorFlow.
    from tfgan2.data import preparing
    from tfgan2.text.tokenizers import count_words

    source = sources.SOURCES[FLAGS.source]
    image_size = FLAGS.image_size or source.image_size
    options = sources.SourceOptions(
        image_size=image_size, input_dir=FLAGS.input_dir, **_options(source)
    )
    collection = sources.read(FLAGS.source, options)
    if FLAGS.limit is not None:
        collection = preparing.sample(collection, limit=FLAGS.limit)
    prepared = preparing.prepare(
        collection,
        source=FLAGS.source,
        image_size=image_size,
        output_dir=FLAGS.output_dir,
        count_words=count_words,
        processes=FLAGS.workers,
        max_rejects=FLAGS.max_rejects,
        dry_run=FLAGS.dry_run,
    )
    for note in collection.notes:
        print(note)
    manifest = prepared.manifest
    counts = ", ".join(f"{manifest.records(split)} {split}" for split in manifest.splits)
    written = "nothing written (--dry_run)" if FLAGS.dry_run else FLAGS.output_dir
    print(f"{written}: {counts}, {len(manifest.vocabulary)} words, {manifest.rejects} rejects")
    reasons = preparing.reasons(prepared.rejects)
    for reason, count in reasons[:SHOWN_REASONS]:
        print(f"  {count} x {reason}")
    if len(reasons) > SHOWN_REASONS:
        print(f"  and {len(reasons) - SHOWN_REASONS} other reasons")


def _options(source: sources.Source) -> dict[str, Any]:
    """The options that were given, for a source that takes them."""
    given: dict[str, Any] = {
        name: FLAGS[name].value for name in OPTIONS if FLAGS[name].value is not None
    }
    for name in given:
        if name == "test_fraction" and name not in source.options:
            program.warn(f"--test_fraction: {FLAGS.source} has a split of its own")
        elif name not in source.options:
            takers = [other for other, it in sources.SOURCES.items() if name in it.options]
            rule = f"must be left out, except for {', '.join(takers)}"
            raise program.UsageError(f"--{name}", rule, f"--source={FLAGS.source}")
    if "background" in given:
        try:
            given["background"] = images.parse_colour(given["background"])
        except ValueError as error:
            rule = "must be #rrggbb or a colour's name"
            raise program.UsageError("--background", rule, given["background"]) from error
    return given


def _verify(data_dir: str) -> None:
    from tfgan2.data import records

    manifest = records.verify(data_dir)
    counts = ", ".join(f"{manifest.records(split)} {split}" for split in manifest.splits)
    print(f"{data_dir}: as written: {counts}, checksum {manifest.checksum}")


if __name__ == "__main__":
    program.run(main)
