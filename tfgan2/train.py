r"""Trains a text-to-image GAN, or goes on with one.

Example:
  python -m tfgan2.train --flagfile=tfgan2/recipes/digits_df_gan.flags \
    --data_dir=data/digits --run_dir=runs/digits --steps=2000
"""

from typing import Any

from absl import flags

from tfgan2 import program
from tfgan2.runs import recipe as recipes

FLAGS = flags.FLAGS


class _GoalFlag(flags.Flag):
    """One of two flags that give the goal; the one given last takes the other's value away."""

    other: "_GoalFlag"

    def parse(self, argument: Any) -> None:
        super().parse(argument)
        self.other.value = None


def _define_goal() -> None:
    steps = _GoalFlag(
        flags.IntegerParser(lower_bound=1), None, "steps", None, "goal of the run in steps"
    )
    epochs = _GoalFlag(
        flags.FloatParser(lower_bound=0.0), None, "epochs", None, "goal in passes over the data"
    )
    steps.other, epochs.other = epochs, steps
    flags.DEFINE_flag(steps)
    flags.DEFINE_flag(epochs)


recipes.define_flags(recipes.Recipe)
recipes.define_flags(recipes.Schedule)
_define_goal()
flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "one_device", "mirrored", "multi_worker"],
    "devices; mirrored: all GPUs (without any: all logical CPUs); multi_worker: those of all "
    "machines that TF_CONFIG names; auto: multi_worker if it names any, else mirrored over GPUs",
)
flags.DEFINE_string("data_dir", None, "a data set that tools.prepare wrote", required=True)
flags.DEFINE_string("run_dir", None, "where the run is, or is to be", required=True)
flags.DEFINE_string(
    "text_encoder", None, "a run whose text encoder a new run begins with: tools.train_text_encoder"
)
flags.DEFINE_string(
    "stage1_run_dir",
    None,
    "a run of stack_gan's stage 1, whose generator and text encoder a new run of stage 2 takes",
)
flags.DEFINE_string(
    "inception_weights",
    None,
    "what --image_encoder=inception_v3 begins with: a file in Keras's format, or imagenet",
)
flags.adopt_module_key_flags(recipes)


def main() -> None:
    """Trains to the goal."""
    if FLAGS.steps is None and FLAGS.epochs is None:
        raise program.UsageError("--steps", "or --epochs must be given", "neither")
    # Not above: whoever asks what the flags are need not wait for TensorFlow.
    from tfgan2.training import trainer

    outcome = trainer.train(
        recipes.from_flags(recipes.Recipe, FLAGS),
        recipes.from_flags(recipes.Schedule, FLAGS),
        data_dir=FLAGS.data_dir,
        run_dir=FLAGS.run_dir,
        goal=trainer.Goal(steps=FLAGS.steps, epochs=FLAGS.epochs),
        strategy=FLAGS.strategy,
        text_encoder=FLAGS.text_encoder,
        stage1_run_dir=FLAGS.stage1_run_dir,
        inception_weights=FLAGS.inception_weights,
    )
    print(outcome)


if __name__ == "__main__":
    program.run(main)
