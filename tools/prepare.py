r"""Writes the data set of training from a user's captioned images.

Examples:
  python -m tools.prepare --source=digits --output_dir=data/digits
  python -m tools.prepare --source=folder --input_dir=photos --output_dir=data/photos \
    --image_size=64 --resize=crop
  python -m tools.prepare --verify=data/photos
  python -m tools.prepare --source=webdataset --input_dir=/shared/shards --output_dir=/shared/data \
    -- --runner=DaskRunner --dask_client_address=tcp://localhost:8786
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from plain_text import decoding
from tfgan2 import program
from tfgan2.data import images, sources

if TYPE_CHECKING:
    from tfgan2.data.engines import Engine
    from tfgan2.data.records import Manifest

FLAGS = flags.FLAGS
flags.DEFINE_enum("source", None, tuple(sources.SOURCES), "layout of the input files")
flags.DEFINE_string("input_dir", None, "folder of the input files; digits and emoji need none")
flags.DEFINE_string("output_dir", None, "folder of the data set to write")
flags.DEFINE_integer(
    "image_size",
    None,
    "image side of the data set, in pixels; default: "
    + ", ".join(f"{name} {source.image_size}" for name, source in sources.SOURCES.items()),
    8,
    1024,
)
flags.DEFINE_float(
    "test_fraction",
    None,
    f"share of test images of a source without a published split; default: "
    f"{sources.DEFAULT_TEST_FRACTION}",
    0.0,
    0.9,
)
flags.DEFINE_enum(
    "resize", None, images.RESIZE, "method to make images square; default: folder pad, else crop"
)
flags.DEFINE_string(
    "background", None, "colour of padding and transparency: #rrggbb or a name; default: white"
)
flags.DEFINE_integer(
    "max_pixels", None, f"pixels per image at most; default: {images.DEFAULT_MAX_PIXELS}", 1
)
flags.DEFINE_enum(
    "captions", None, sources.CAPTIONS, "captions of an image that are kept; default: all"
)
flags.DEFINE_enum(
    "caption_from",
    None,
    sources.CAPTION_FROM,
    "source folder: the caption is the name of the image file, or of its folder",
)
flags.DEFINE_string(
    "captions_file", None, "source folder: the only table of captions; it may lie in any folder"
)
flags.DEFINE_string("image_column", None, "column of tables that names the images")
flags.DEFINE_string("caption_column", None, "column of tables that holds the captions")
flags.DEFINE_string(
    "encoding",
    None,
    "encoding of all text without a byte order mark, such as cp1252, latin-1 or utf-16-le; "
    "default: UTF-8",
)
flags.DEFINE_string("held_out", None, "file of emoji names for the test split, one per line")
flags.DEFINE_string("class_names", None, "file of class names of mnist_idx, one per line and label")
flags.DEFINE_integer("max_rejects", None, "rejects at most, else failure; default: any number", 0)
flags.DEFINE_integer("limit", None, "images at most, evenly chosen from the splits", 1)
flags.DEFINE_integer("workers", os.cpu_count(), "processes that read and encode images", 1)
flags.DEFINE_bool("dry_run", False, "read and check everything, but write no data set")
flags.DEFINE_string("verify", None, "data set to check, byte for byte, instead of writing one")
HELP_GROUPS = {
    "Required": ["source", "output_dir"],
    "Input": ["input_dir", "test_fraction", "limit", "max_rejects", "held_out", "class_names"],
    "Captions": [
        *("captions", "caption_from", "captions_file", "image_column", "caption_column"),
        "encoding",
    ],
    "Images": ["image_size", "resize", "background", "max_pixels"],
    "Execution": ["workers", "dry_run"],
    "Instead of writing a data set": ["verify"],
}

SHOWN_REASONS, SHOWN_CAPTIONS = 20, 5
# Captions with as many words as captions, of which most occur once, are read wrongly or are names.
FEWEST_CAPTIONS, WORDS_PER_CAPTION, OCCURRENCES_PER_WORD = 20, 0.9, 2
OPTIONS = (
    *("test_fraction", "resize", "background", "max_pixels", "held_out", "class_names"),
    *("captions", "caption_from", "captions_file", "image_column", "caption_column", "encoding"),
)


def main(beam_options: Sequence[str]) -> None:
    """Prepares or verifies a data set, and prints a summary."""
    if beam_options and not beam_options[0].startswith("-"):
        rule = "only flags are taken, and options of Beam after --"
        raise program.UsageError("arguments", rule, beam_options[0])
    if FLAGS.verify is not None:
        _verify(FLAGS.verify)
        return
    for name in ("source", "output_dir"):
        if FLAGS[name].value is None:
            raise program.UsageError(f"--{name}", "must be given", "nothing")
    source = sources.SOURCES[FLAGS.source]
    image_size = FLAGS.image_size or source.image_size
    engine = _engine(beam_options)
    input_dir = FLAGS.input_dir
    if beam_options and input_dir is not None:
        input_dir = os.path.abspath(input_dir)  # Workers may have another current folder.
    options = sources.SourceOptions(image_size=image_size, input_dir=input_dir, **_options(source))
    collection = sources.read(FLAGS.source, options)
    # Imported here: neither errors of the input nor the worker processes need TensorFlow.
    from tfgan2.data import preparing
    from tfgan2.data.sources import file_counts
    from tfgan2.text.tokenizers import count_words

    if FLAGS.limit is not None:
        collection = preparing.sample(collection, limit=FLAGS.limit)
    prepared = preparing.prepare(
        collection,
        source=FLAGS.source,
        image_size=image_size,
        output_dir=FLAGS.output_dir,
        count_words=count_words,
        engine=engine,
        max_rejects=FLAGS.max_rejects,
        dry_run=FLAGS.dry_run,
        review=_warn_of_unread,
    )
    for note in collection.notes:
        print(note)
    manifest = prepared.manifest
    _warn_of_words(manifest.captions["train"], manifest.vocabulary)
    counts = ", ".join(f"{manifest.records(split)} {split}" for split in manifest.splits)
    written = "nothing written (--dry_run)" if FLAGS.dry_run else FLAGS.output_dir
    print(f"{written}: {counts}, {len(manifest.vocabulary)} words, {manifest.rejects} rejects")
    if manifest.files:
        print(f"  {file_counts.summary(manifest.files)}")
    reasons = list(prepared.reasons.items())
    for reason, count in reasons[:SHOWN_REASONS]:
        print(f"  {count} x {reason}")
    if len(reasons) > SHOWN_REASONS:
        print(f"  and {len(reasons) - SHOWN_REASONS} other reasons")


def _warn_of_words(captions: int, vocabulary: Mapping[str, int]) -> None:
    """Warns of captions without words, and of words that nearly all occur once."""
    if not vocabulary:
        program.warn("no caption of the train split has a word: a model cannot read them")
    elif (
        captions >= FEWEST_CAPTIONS
        and len(vocabulary) >= WORDS_PER_CAPTION * captions
        and sum(vocabulary.values()) < OCCURRENCES_PER_WORD * len(vocabulary)
    ):
        program.warn(
            f"{captions} captions of the train split have {len(vocabulary)} words, and most of "
            "them occur once: a model learns a word from several images"
        )


def _engine(beam_options: Sequence[str]) -> "Engine":
    """Returns the processes of this machine, or the runner of Beam that the options name."""
    if beam_options:
        from tools.beam_engine import BeamEngine

        return BeamEngine.of(beam_options)
    from tfgan2.data.engines import Pool

    return Pool(FLAGS.workers)


def _warn_of_unread(manifest: "Manifest", blocks: Iterator[Sequence[str]]) -> None:
    """Warns of test captions that a model of this data set cannot read.

    Args:
      manifest: manifest of the data set.
      blocks: captions of the test split, in blocks.
    """
    from tfgan2.text.tokenizers import words_of

    count, examples = 0, set[str]()
    for captions in blocks:
        unread = [
            text
            for text, words in zip(captions, words_of(captions), strict=True)
            if not any(word in manifest.vocabulary for word in words)
        ]
        count += len(unread)
        examples = set(sorted(examples.union(unread))[:SHOWN_CAPTIONS])
    if count:
        named = ", ".join(repr(text[:80]) for text in sorted(examples))
        counted = f"{count} of {manifest.captions['test']} test captions have"
        program.warn(f"{counted} no word of the train split, such as {named}")


def _options(source: sources.Source) -> dict[str, Any]:
    """Returns the options that were given; checks that the source has them."""
    given: dict[str, Any] = {
        name: FLAGS[name].value for name in OPTIONS if FLAGS[name].value is not None
    }
    for name in given:
        if name == "test_fraction" and name not in source.options:
            program.warn(f"--test_fraction: {FLAGS.source} has a split of its own")
        elif name not in source.options:
            readers = [other for other, it in sources.SOURCES.items() if name in it.options]
            rule = f"must be left out, except for {', '.join(readers)}"
            raise program.UsageError(f"--{name}", rule, f"--source={FLAGS.source}")
    if "encoding" in given:
        try:
            decoding.check_name(given["encoding"])
        except ValueError as error:
            raise program.UsageError("--encoding", str(error), given["encoding"]) from error
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
    program.run_with_rest(main, help_groups=HELP_GROUPS)
