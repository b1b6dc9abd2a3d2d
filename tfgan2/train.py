r"""Trains a text-to-image GAN, or resumes its run.

Example:
  python -m tfgan2.train --recipe=digits_df_gan \
    --data_dir=data/digits --run_dir=runs/digits --steps=2000

--recipe gives the flags of a recipe of the package, --flagfile those of a file of yours.
--helpshort --model=NAME shows the flags of one system, --help all flags.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from absl import flags

from tfgan2 import program
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes

FLAGS = flags.FLAGS

# Flags that the help shows first.
REQUIRED = ("data_dir", "run_dir")
COMMON = (
    *("recipe", "model", "image_size", "batch_size", "precision", "strategy"),
    *("text_encoder", "sample_captions", "init_from"),
)
# Flags that start from other files, and the option that a system with such a flag has.
FILES = {
    "init_from": "model",
    "text_encoder": "freeze_text_encoder",
    "stage1_run_dir": "stage",
    "inception_weights": "image_encoder",
    "sample_captions": "text_encoder_kind",
}


class _GoalFlag(flags.Flag):
    """One of two flags that set the goal of the run; the flag given last clears the other one."""

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


shipped_recipes.define_flag()
recipes.define_flags(recipes.Recipe)
recipes.define_flags(recipes.Schedule)
_define_goal()
flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "one_device", "mirrored", "multi_worker"],
    "devices; one_device: one GPU or CPU; mirrored: all GPUs (without GPUs: all logical CPUs); "
    "multi_worker: the devices of all machines in TF_CONFIG; auto: multi_worker if TF_CONFIG names "
    "several workers, else mirrored if there are GPUs, else one_device",
)
flags.DEFINE_string("data_dir", None, "data set, as tools.prepare writes it", required=True)
flags.DEFINE_string(
    "run_dir", None, "run directory: absent, empty, or a run of the same recipe", required=True
)
flags.DEFINE_string(
    "init_from",
    None,
    "run of the same system; a new run starts with its networks, averages and vocabulary",
)
flags.DEFINE_string(
    "text_encoder",
    None,
    "run of tools.train_text_encoder; a new run starts with its text encoder",
)
flags.DEFINE_string(
    "stage1_run_dir",
    None,
    "run of stack_gan's stage 1; a new run of stage 2 starts with its generator and text encoder",
)
flags.DEFINE_string(
    "inception_weights",
    None,
    "initial weights of --image_encoder=inception_v3: a file in Keras's format, or imagenet",
)
flags.DEFINE_string(
    "sample_captions",
    None,
    "captions of the sample grids: a file with one per line, or captions separated by |; default: "
    "ten captions of the data set",
)
flags.adopt_module_key_flags(recipes)
flags.adopt_module_key_flags(shipped_recipes)


def help_groups(arguments: Sequence[str]) -> program.Groups:
    """Flags of --help and --helpshort: required flags, common flags, then the others by groups.

    Args:
      arguments: the command line; for --helpshort with --model, only flags of this system.
    """
    models: Collection[str] = recipes.OPTIONS
    if not {"-help", "--help"} & {*arguments}:
        values = flags.FlagValues()
        recipes.define_flags(recipes.Recipe, only=["model"], optional=True, into=values)
        values(arguments, known_only=True)
        models = [values["model"].value] if values["model"].value else models
    # The groups of the options are the classes that declare the options.
    groups = {
        "Required": [*REQUIRED],
        "One of these is required": [*recipes.GOALS],
        "Common": [*COMMON],
    }
    for kind in (*recipes.Recipe.__mro__, recipes.Schedule):
        title = str(kind.__doc__).partition(":")[0]
        groups.setdefault(title, []).extend(vars(kind).get("__annotations__", ()))
    groups["Other files"] = [*FILES]
    # Each flag of the systems is shown once.
    hidden = {field.name for field in dataclasses.fields(recipes.Recipe)}
    hidden -= {name for model in models for name in recipes.option_names(model)}
    hidden |= {name for name, needed in FILES.items() if needed in hidden}
    shown: dict[str, list[str]] = {}
    for title, group in groups.items():
        names = [name for name in group if name in FLAGS and name not in hidden]
        hidden |= {*names}
        if names:
            shown[title] = names
    return shown


def main() -> None:
    """Trains the model until the goal is reached."""
    if FLAGS.steps is None and FLAGS.epochs is None:
        raise program.UsageError("--steps", "or --epochs must be given", "neither")
    # Imported here, so that --help does not wait for TensorFlow.
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
        captions=FLAGS.sample_captions,
        init_from=FLAGS.init_from,
    )
    print(outcome)


if __name__ == "__main__":
    program.run(main, help_groups=help_groups, expand=shipped_recipes.expand)
