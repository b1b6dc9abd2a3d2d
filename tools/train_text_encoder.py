r"""Trains a text encoder with an image encoder, for tfgan2.train --text_encoder.

Example:
  python -m tools.train_text_encoder --kind=damsm --data_dir=data/emoji --run_dir=runs/emoji_damsm
  python -m tfgan2.train --flagfile=tfgan2/recipes/emoji_df_gan.flags --data_dir=data/emoji \
    --run_dir=runs/emoji --text_encoder=runs/emoji_damsm
"""

import dataclasses
from typing import Any

from absl import flags

from tfgan2 import program
from tfgan2.models.matching.options import MatchingOptions
from tfgan2.runs import recipe as recipes

FLAGS = flags.FLAGS

# Defaults of each kind, from the published code.
KINDS = {
    "damsm": recipes.Recipe(
        model="damsm", batch_size=48, text_encoder_kind="bi_lstm", sentence_size=256
    ),
    "sje": recipes.Recipe(
        model="sje",
        batch_size=40,
        text_encoder_kind="char_cnn_rnn_cvpr2016",
        sentence_size=1024,
        matching_learning_rate=7e-4,
    ),
}
# Fields of a recipe that a matching model uses.
FIELDS = [name for name in recipes.option_names("damsm") if name != "model"]

flags.DEFINE_enum("kind", "damsm", tuple(KINDS), "loss, which also sets the other defaults")
flags.DEFINE_string("data_dir", None, "data set, as tools.prepare writes it", required=True)
flags.DEFINE_string(
    "run_dir", None, "run directory: absent, empty, or a run of the same recipe", required=True
)
flags.DEFINE_float("epochs", 60.0, "goal in passes over the data", 0.0)
flags.DEFINE_string(
    "inception_weights",
    None,
    "initial weights of --image_encoder=inception_v3: a file in Keras's format, or imagenet",
)
flags.DEFINE_enum(
    "strategy", "auto", ["auto", "one_device", "mirrored"], "devices, as in tfgan2.train"
)
recipes.define_flags(recipes.Recipe, only=FIELDS, optional=True)
HELP_GROUPS = {
    "Required": ["data_dir", "run_dir"],
    "Optional": ["kind", "epochs", "strategy", "inception_weights"],
    "Recipe; the defaults depend on --kind": FIELDS,
}


def main() -> None:
    """Trains until the goal is reached; prints retrieval metrics after each pass over the data."""
    # Imported here, so that help and flag errors do not wait for TensorFlow.
    from tfgan2.data import records
    from tfgan2.training import trainer

    given: dict[str, Any] = {
        name: FLAGS[name].value for name in FIELDS if FLAGS[name].value is not None
    }
    manifest = records.load_manifest(FLAGS.data_dir)
    if "image_size" not in given:
        sizes = MatchingOptions.image_sizes_px
        fitting = [size for size in sizes if size <= manifest.image_size]
        given["image_size"] = max(fitting, default=min(sizes))
    recipe = dataclasses.replace(KINDS[FLAGS.kind], **given)
    steps_per_epoch = max(1, manifest.records("train") // recipe.batch_size)
    outcome = trainer.train(
        recipe,
        recipes.Schedule(evaluate_every=steps_per_epoch, checkpoint_every=5 * steps_per_epoch),
        data_dir=FLAGS.data_dir,
        run_dir=FLAGS.run_dir,
        goal=trainer.Goal(epochs=FLAGS.epochs),
        strategy=FLAGS.strategy,
        inception_weights=FLAGS.inception_weights,
    )
    print(outcome)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
