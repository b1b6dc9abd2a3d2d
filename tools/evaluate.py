r"""Evaluates the images of a run, an export or a served model against real images.

Example:
  python -m tools.evaluate --run_dir=runs/digits --data_dir=data/digits \
    --metrics=agreement,diversity,kid --samples=1000
  python -m tools.evaluate --compare=runs/digits,runs/other
"""

import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from absl import flags

from tfgan2 import program
from tfgan2.metrics.catalogue import DOMAIN, LIGHT, METRICS, OF_DOMAIN, meaning
from tfgan2.program import UsageError
from tfgan2.runs.directory import CHECKPOINTS, RunDirectory, append_line
from tools import matching_models

if TYPE_CHECKING:
    from tfgan2.data import records
    from tfgan2.evaluation import measure

SOURCES = ("run_dir", "export_dir", "target", "compare")
OF_SERVED = ("crop_margin", "text_source")

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "run directory")
flags.DEFINE_string(
    "export_dir", None, "folder of an export's versions, or of one version, instead of --run_dir"
)
flags.DEFINE_string("target", None, "host:port of a server, instead of --run_dir")
flags.DEFINE_string("model", None, "name of the model on the server of --target")
flags.DEFINE_list(
    "compare",
    None,
    "two or more runs or files of evaluations, instead of --run_dir; prints the newest evaluations "
    "side by side if their protocols are the same",
)
flags.DEFINE_string("data_dir", None, "data set, as tools.prepare writes it")
flags.DEFINE_string(
    "output", None, "file to which a line is appended; default: the run's evaluations.jsonl"
)
flags.DEFINE_enum(
    "checkpoint", "latest", CHECKPOINTS, "checkpoint of --run_dir; best: the one of --keep_best"
)
flags.DEFINE_list(
    "metrics",
    None,
    f"metrics out of {', '.join(METRICS)}, with commas between; default: all of "
    f"{', '.join(LIGHT)} that the data allow",
)
flags.DEFINE_string(
    "matching",
    None,
    "matching model: a run of tools.train_text_encoder or a SavedModel, not used in training; for "
    "r_precision, and for features of data without labels; default for data without labels: a "
    "model is trained once, and kept in --data_dir",
)
flags.DEFINE_float(
    "matching_epochs", 30.0, "passes over the data of a matching model that is trained", 0.0
)
flags.DEFINE_string("clip", None, "SavedModel of images and captions, for clip_score")
flags.DEFINE_string(
    "features",
    DOMAIN,
    "feature extractor: domain (a classifier of the train split, or --matching), inception_v3, or "
    "the folder of a SavedModel",
)
flags.DEFINE_string(
    "features_weights",
    None,
    "weights of inception_v3: a file in Keras's format; default: Keras downloads ImageNet's",
)
flags.DEFINE_string("statistics", None, ".npz file with mu and sigma of real images, for fid")
flags.DEFINE_string(
    "save_statistics", None, "file to which mu and sigma of the real images are written"
)
flags.DEFINE_enum("split", "test", ["test", "train"], "split of the captions and real images")
flags.DEFINE_integer("samples", 1000, "number of images to draw", 2)
flags.DEFINE_integer(
    "pictures_per_caption", 10, "images per caption, at least; limits the number of captions", 1
)
flags.DEFINE_integer("nearest", 5, "neighbours, for precision, recall, density and coverage", 1)
flags.DEFINE_integer("kid_subsets", 0, "subsets over which kid is a mean; 0: the whole sets", 0)
flags.DEFINE_integer("kid_subset_size", 1000, "images per kid subset", 2)
flags.DEFINE_integer("seed", 0, "seed of the first image; each next image adds 1", 0, 2**31 - 1)
flags.DEFINE_float(
    "truncation", 0.0, "truncation of the latents, up to 1; 0: the recipe's", 0.0, 1.0
)
flags.DEFINE_integer("memory_mb", 1024, "approximate memory of features and distances in MiB", 1)
flags.DEFINE_float(
    "crop_margin", 1.0, "crop margin in the recipe of a served model; 1: no crop", 1.0, 2.0
)
flags.DEFINE_enum(
    "text_source",
    "caption",
    ["caption", "label", "label_number"],
    "text source in the recipe of a served joint model",
)
HELP_GROUPS = {
    "One of these is required": [*SOURCES],
    "Required but for --compare": ["data_dir"],
    "Required with --export_dir and --target": ["output"],
    "With --run_dir": ["checkpoint"],
    "With --target": ["model", *OF_SERVED],
    "Metrics": [
        *("metrics", "matching", "matching_epochs"),
        *("features", "features_weights", "clip"),
    ],
    "Protocol": [
        *("samples", "split", "pictures_per_caption", "seed", "truncation"),
        *("nearest", "kid_subsets", "kid_subset_size"),
    ],
    "Statistics": ["statistics", "save_statistics"],
    "Execution": ["memory_mb"],
}


def main() -> None:
    """Prints a table, and appends a line to evaluations.jsonl or --output."""
    _check_flags()
    # Imported here, so that help and flag errors do not wait for TensorFlow.
    from tfgan2.data import records
    from tfgan2.evaluation import comparison, extractors, measure
    from tfgan2.metrics import moments
    from tfgan2.metrics.protocol import Protocol

    program.quieten_tensorflow()
    if FLAGS.compare is not None:
        print(comparison.side_by_side(FLAGS.compare))
        return
    manifest = records.load_manifest(FLAGS.data_dir)
    generator, encoder, output = _generator(manifest)
    measure.check_data(generator, manifest, split=FLAGS.split, data_dir=FLAGS.data_dir)
    matching, path = None, FLAGS.matching
    if path is None and _needs_matching(manifest):
        path = matching_models.train_for_evaluation(
            FLAGS.data_dir, manifest, epochs=FLAGS.matching_epochs
        )
    if path is not None:
        matching = extractors.load_matching(path, encoder, channels=manifest.channels)
    measured = measure.measure(
        generator,
        measure.Inputs(
            split=FLAGS.split,
            matching=matching,
            features=extractors.load_features(FLAGS.features, FLAGS.features_weights),
            clip=FLAGS.clip,
            statistics=FLAGS.statistics,
            with_statistics=FLAGS.save_statistics is not None,
            memory_mib=FLAGS.memory_mb,
        ),
        data_dir=FLAGS.data_dir,
        metrics=FLAGS.metrics,
        protocol=Protocol(
            samples=FLAGS.samples,
            seed=FLAGS.seed,
            truncation=FLAGS.truncation,
            pictures_per_caption=FLAGS.pictures_per_caption,
            nearest=FLAGS.nearest,
            kid_subsets=FLAGS.kid_subsets,
            kid_subset_size=FLAGS.kid_subset_size,
        ),
    )
    if matching is not None and matching.used_in_training:
        program.warn(f"--matching: {FLAGS.matching} was used in training, and flatters the run")
    # Print before writing: a full disk loses no figures.
    line = measured.line
    print(f"{line['protocol']['checkpoint']}, {FLAGS.samples} samples")
    for name, result in line["metrics"].items():
        value = f"{comparison.cell(result):<{comparison.COLUMN}}"
        print(f"{name:>{comparison.NAME_COLUMN}}  {value}  {meaning(name)}")
    for name in FLAGS.metrics or ():
        if name not in line["metrics"]:
            program.warn(f"--metrics: {name} is left out, as the images do not define its value")
    try:
        append_line(output, line)
    except OSError as error:
        raise UsageError("--output", "must be where a file can be written", error) from error
    if measured.statistics is not None:
        try:
            moments.write(FLAGS.save_statistics, measured.statistics)
        except OSError as error:
            rule = "must be where a file can be written"
            raise UsageError("--save_statistics", rule, error) from error


def _check_flags() -> None:
    given = [name for name in SOURCES if FLAGS[name].value is not None]
    if len(given) != 1:
        rule = f"must be given, or one of {', '.join(f'--{name}' for name in SOURCES[1:])}"
        raise UsageError(
            "--run_dir", rule, " and ".join(f"--{name}" for name in given) or "nothing"
        )
    if FLAGS.compare is None and FLAGS.data_dir is None:
        raise UsageError("--data_dir", "must be given", "nothing")
    if (FLAGS.model is not None) != (FLAGS.target is not None):
        raise UsageError("--model", "must be given with --target, and only then", FLAGS.model)
    for name in OF_SERVED:
        if FLAGS[name].present and FLAGS.target is None:
            rule = "must be left out without --target: a run and an export say it themselves"
            raise UsageError(f"--{name}", rule, FLAGS[name].value)
    if FLAGS["checkpoint"].present and FLAGS.run_dir is None:
        raise UsageError("--checkpoint", "must be left out without --run_dir", FLAGS.checkpoint)
    if FLAGS.output is None and (FLAGS.export_dir or FLAGS.target):
        raise UsageError("--output", "must be given without --run_dir", "nothing")
    if FLAGS.output is not None and pathlib.Path(FLAGS.output).is_dir():
        raise UsageError("--output", "must be a file or absent", FLAGS.output)
    for name in FLAGS.metrics or ():
        if name not in METRICS:
            raise UsageError("--metrics", f"must be out of {','.join(METRICS)}", name)


def _needs_matching(manifest: "records.Manifest") -> bool:
    """Whether no label and no other model can give the features that the metrics need."""
    if len(manifest.label_names) > 1 or FLAGS.features != DOMAIN:
        return False
    return bool({*OF_DOMAIN} & {*(FLAGS.metrics or OF_DOMAIN)})


def _generator(
    manifest: "records.Manifest",
) -> "tuple[measure.MeasuredGenerator, Mapping[str, str] | None, pathlib.Path]":
    """Returns the generator to measure, its text encoder if known, and the output file."""
    from tfgan2.evaluation import measure
    from tfgan2.runs.sampling import load_sampler
    from tools import samplers

    if FLAGS.run_dir is not None:
        run = RunDirectory.existing(FLAGS.run_dir)
        sampler, config, checkpoint = load_sampler(run, checkpoint=FLAGS.checkpoint)
        if config.data["checksum"] not in (None, manifest.checksum):
            own = f"{config.data['source']} {config.data['checksum'][:12]}"
            given = f"{manifest.source} {manifest.checksum[:12]}"
            program.warn(f"--data_dir: is another data set than the run's ({own}), got {given}")
        generator = measure.measured_generator(
            sampler,
            checkpoint=checkpoint,
            recipe=config.recipe,
            channels=config.data["channels"],
        )
        output = pathlib.Path(FLAGS.output or run.evaluations_file)
        return generator, config.text_encoder or {}, output
    output = pathlib.Path(FLAGS.output)
    if FLAGS.export_dir is not None:
        return *samplers.exported(FLAGS.export_dir), output
    served = samplers.served(
        FLAGS.target,
        model=FLAGS.model,
        crop_margin=FLAGS.crop_margin,
        text_source=FLAGS.text_source,
    )
    return served, None, output


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
