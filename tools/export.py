"""Exports a run's newest or best checkpoint as the next version of a SavedModel.

Example:
  python -m tools.export --run_dir=runs/digits --export_dir=exports/digits
"""

import pathlib

from absl import flags

from tfgan2 import program
from tfgan2.runs.directory import CHECKPOINTS, RunDirectory

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "run directory", required=True)
flags.DEFINE_enum(
    "checkpoint", "latest", CHECKPOINTS, "checkpoint to export; best: the one of --keep_best"
)
flags.DEFINE_string("export_dir", None, "folder of the versions", required=True)
HELP_GROUPS = {"Required": ["run_dir", "export_dir"], "Optional": ["checkpoint"]}


def main() -> None:
    """Exports, and prints the folder of the new version."""
    # Imported here, so that help and flag errors do not wait for TensorFlow.
    from tfgan2.export import saved_model
    from tfgan2.runs.sampling import load_sampler

    program.quieten_tensorflow()
    run = RunDirectory.existing(FLAGS.run_dir)
    sampler, config, checkpoint = load_sampler(run, checkpoint=FLAGS.checkpoint)
    recipe = config.recipe
    version = saved_model.export(
        sampler,
        FLAGS.export_dir,
        captions=config.data["example_captions"],
        card={
            "model": recipe.model,
            "image_size": recipe.image_size,
            "channels": config.data["channels"],
            "truncation": recipe.truncation,
            "crop_margin": recipe.crop_margin,
            "text_source": recipe.text_source,
            "text_encoder": config.text_encoder and {"checksum": config.text_encoder["checksum"]},
            "trained_on": {key: config.data[key] for key in ("source", "licence", "checksum")},
            "imported": config.data.get("imported"),
            "checkpoint": pathlib.Path(checkpoint).name,
            "versions": config.versions,
        },
    )
    print(version)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
