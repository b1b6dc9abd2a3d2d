r"""Trains a text encoder with an image encoder, for tfgan2.train --text_encoder.

Example:
  python -m tools.train_text_encoder --kind=damsm --data_dir=data/emoji --run_dir=runs/emoji_damsm
  python -m tfgan2.train --recipe=emoji_df_gan --data_dir=data/emoji \
    --run_dir=runs/emoji --text_encoder=runs/emoji_damsm
"""

from typing import Any

from absl import flags

from tfgan2 import program
from tfgan2.runs import recipe as recipes
from tools import matching_models
from tools.matching_models import KINDS

FLAGS = flags.FLAGS

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
flags.DEFINE_string(
    "word_vectors",
    None,
    "word vectors of --kind=word_vectors: wordllama (the package), or a text file in the form of "
    "GloVe or word2vec, also .gz; default: wordllama",
)
recipes.define_flags(recipes.Recipe, only=FIELDS, optional=True)
HELP_GROUPS = {
    "Required": ["data_dir", "run_dir"],
    "Optional": ["kind", "epochs", "strategy", "inception_weights", "word_vectors"],
    "Recipe; the defaults depend on --kind": FIELDS,
}


def main() -> None:
    """Trains until the goal is reached; prints retrieval metrics after each pass over the data."""
    given: dict[str, Any] = {
        name: FLAGS[name].value for name in FIELDS if FLAGS[name].value is not None
    }
    outcome = matching_models.train(
        FLAGS.kind,
        given,
        data_dir=FLAGS.data_dir,
        run_dir=FLAGS.run_dir,
        epochs=FLAGS.epochs,
        strategy=FLAGS.strategy,
        inception_weights=FLAGS.inception_weights,
        word_vectors=FLAGS.word_vectors,
    )
    print(outcome)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
