r"""Draws the captions of files, and writes images and a manifest, with Apache Beam.

Example:
  python -m tools.generate --export_dir=exports/digits --captions=captions.txt \
    --output_dir=generated --images_per_caption=4
  python -m tools.generate --target=localhost:8500 --model=digits --captions='captions/*.csv.gz' \
    --output_dir=generated --format=tfrecord -- --direct_running_mode=multi_processing \
    --direct_num_workers=2
"""

import logging
import time
from collections.abc import Sequence

from absl import flags

from plain_text import decoding
from serving import program
from serving.program import UsageError

FLAGS = flags.FLAGS
flags.DEFINE_string("export_dir", None, "folder of an export's versions, or of one version")
flags.DEFINE_string(
    "target", None, "host:port of a server, or several as a:1,b:2, instead of --export_dir"
)
flags.DEFINE_string("model", None, "name of the model on the server of --target")
flags.DEFINE_string(
    "captions",
    None,
    "file or pattern: one caption per line, .csv, .tsv, .json, .jsonl, .parquet or .tfrecord; also "
    ".gz, .bz2, .xz, .zst",
)
flags.DEFINE_string(
    "encoding",
    None,
    "encoding of text files of captions without a byte order mark, such as cp1252, latin-1 or "
    "utf-16-le; default: UTF-8",
)
flags.DEFINE_integer("count", None, "number of images, for a model that reads no captions", 1)
flags.DEFINE_string("output_dir", None, "folder of the outputs", required=True)
flags.DEFINE_integer("images_per_caption", 1, "images per caption", 1)
flags.DEFINE_integer("seed", 0, "seed of the job; each image has its own seed", 0, 2**63 - 1)
flags.DEFINE_float(
    "truncation", 0.0, "truncation of the latents, up to 1; 0: the model's", 0.0, 1.0
)
flags.DEFINE_enum(
    "format",
    "png",
    ["png", "tfrecord"],
    "png: a file per image, in a folder per shard; tfrecord: a file per shard",
)
flags.DEFINE_integer("batch_size", 64, "images per batch", 1)
flags.DEFINE_integer("shards", None, "shards of the output; default: one per 1,000 images", 1)
flags.DEFINE_bool("resume", False, "skip the shards that an earlier run has finished")
flags.DEFINE_integer("max_errors", None, "images that may fail; default: any number", 0)
flags.DEFINE_integer("concurrent_requests", 4, "concurrent requests per process, with --target", 1)
flags.DEFINE_float(
    "timeout_seconds", 60.0, "seconds per request, with its retries; with --target", 0.001
)
flags.DEFINE_bool("dry_run", False, "read the captions and print the plan, but write nothing")
HELP_GROUPS = {
    "Required": ["output_dir"],
    "One of these is required": ["export_dir", "target"],
    "One of these too": ["captions", "count"],
    "Captions": ["encoding"],
    "Images": ["images_per_caption", "seed", "truncation"],
    "Output": ["format", "shards", "resume", "max_errors", "dry_run"],
    "Execution": ["batch_size"],
    "With --target": ["model", "concurrent_requests", "timeout_seconds"],
}


def main(beam_options: Sequence[str]) -> None:
    """Draws the images, and prints a summary."""
    _check_flags(beam_options)
    # Beam logs the exception of a failed step, which the job raises too.
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)
    from serving.batch import job_runner
    from serving.batch.job import JobOptions
    from serving.batch.models import ServerSource

    source = FLAGS.export_dir
    if source is None:
        source = ServerSource(
            FLAGS.target,
            FLAGS.model,
            concurrent_requests=FLAGS.concurrent_requests,
            timeout_seconds=FLAGS.timeout_seconds,
        )
    request = job_runner.JobRequest(
        source=source,
        captions=FLAGS.captions,
        output_dir=FLAGS.output_dir,
        options=JobOptions(
            seed=FLAGS.seed,
            truncation=FLAGS.truncation,
            images_per_caption=FLAGS.count or FLAGS.images_per_caption,
            format=FLAGS.format,
            batch_size=FLAGS.batch_size,
            shards=FLAGS.shards,
        ),
        resume=FLAGS.resume,
        max_errors=FLAGS.max_errors,
        beam_options=beam_options,
        encoding=FLAGS.encoding,
    )
    began_seconds = time.monotonic()
    job, summary = job_runner.run(request, dry_run=FLAGS.dry_run)
    if summary is None:
        print(f"{job.rows} pictures in {job.blocks} blocks and {job.shard_count} shards")
        return
    seconds = time.monotonic() - began_seconds
    print(
        f"{FLAGS.output_dir}: {summary.pictures} pictures, {summary.with_unknown_words} of them "
        f"with unknown words, {summary.errors} errors, in {seconds:.0f} seconds"
    )


def _check_flags(beam_options: Sequence[str]) -> None:
    if (FLAGS.export_dir is None) == (FLAGS.target is None):
        got = "none" if FLAGS.target is None else "both"
        raise UsageError(f"--export_dir: must be given, or else --target, got {got}")
    if (FLAGS.model is None) != (FLAGS.target is None):
        rule = "must be given with --target, and only then"
        raise UsageError(f"--model: {rule}, got {FLAGS.model}")
    if (FLAGS.captions is None) == (FLAGS.count is None):
        got = "none" if FLAGS.count is None else "both"
        raise UsageError(f"--captions: must be given, or else --count, got {got}")
    if FLAGS.encoding is not None:
        try:
            decoding.check_name(FLAGS.encoding)
        except ValueError as error:
            raise UsageError(f"--encoding: {error}, got {FLAGS.encoding}") from error
    if FLAGS.count is not None and FLAGS["images_per_caption"].present:
        got = FLAGS.images_per_caption
        raise UsageError(f"--images_per_caption: must be left out with --count, got {got}")
    if beam_options and not beam_options[0].startswith("-"):
        rule = "only flags are taken, and options of Beam after --"
        raise UsageError(f"arguments: {rule}, got {beam_options[0]}")


if __name__ == "__main__":
    program.run_with_rest(main, help_groups=HELP_GROUPS)
