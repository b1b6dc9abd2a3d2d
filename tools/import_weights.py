r"""Converts published PyTorch weights into a run directory; needs no PyTorch.

Examples:
  python -m tools.import_weights --from=df_gan --generator=state_epoch_1220.pth \
    --text_encoder=text_encoder200.pth --vocabulary=captions_DAMSM.pickle --run_dir=runs/birds
  python -m tools.import_weights --from=damsm --text_encoder=text_encoder200.pth \
    --vocabulary=captions_DAMSM.pickle --run_dir=runs/birds_damsm
  python -m tools.import_weights --from=char_cnn_rnn --text_encoder=lm_sje.pth --run_dir=runs/sje
"""

import dataclasses
import pathlib

from absl import flags

from tfgan2 import program
from tfgan2.runs import recipe as recipes
from tfgan2.runs import shipped_recipes

FLAGS = flags.FLAGS
KINDS = ("df_gan", "damsm", "char_cnn_rnn")
DEFAULT_RECIPE = "cub_df_gan"

flags.DEFINE_enum("from", None, KINDS, "published model of the files", required=True)
flags.DEFINE_string("generator", None, "state_epoch_NNN.pth (2022), or netG_NNN.pth (2020)")
flags.DEFINE_string(
    "discriminator", None, "netD_NNN.pth (2020); default: new weights, or those of a 2022 file"
)
flags.DEFINE_enum(
    "weights",
    None,
    ("ema", "live"),
    "generator weights that sampling uses; default: the EMA, if the file of --generator holds one "
    "beside the live weights",
)
flags.DEFINE_string("text_encoder", None, "text_encoderNNN.pth", required=True)
flags.DEFINE_string(
    "vocabulary", None, "captions_DAMSM.pickle or captions.pickle; --from=damsm needs the file too"
)
flags.DEFINE_string("run_dir", None, "run directory to write", required=True)
flags.DEFINE_string(
    "recipe",
    DEFAULT_RECIPE,
    "recipe of the package by name, or a flagfile; the tensors override sizes and the form of the "
    "code",
)
HELP_GROUPS = {
    "Required": ["from", "text_encoder", "run_dir"],
    "Required with --from=df_gan": ["generator", "vocabulary"],
    "Optional": ["discriminator", "weights", "recipe"],
}


def main() -> None:
    """Imports the weights, and prints the imported parts and the parts with new weights."""
    kind = getattr(FLAGS, "from")  # `from` is a keyword of Python.
    _check_flags(kind)
    # Imported here, so that help and flag errors do not wait for TensorFlow.
    from tfgan2.interop import importing
    from tfgan2.runs import environment
    from tfgan2.training import runtime

    program.quieten_tensorflow()
    text_encoder = importing.read_text_encoder(
        pathlib.Path(FLAGS.text_encoder),
        vocabulary=FLAGS.vocabulary and pathlib.Path(FLAGS.vocabulary),
    )
    if kind == "df_gan":
        recipe = recipes.from_flagfile(shipped_recipes.flagfile(FLAGS.recipe, flag="--recipe"))
        notes = importing.import_df_gan(
            generator=pathlib.Path(FLAGS.generator),
            discriminator=FLAGS.discriminator and pathlib.Path(FLAGS.discriminator),
            text_encoder=text_encoder,
            recipe=dataclasses.replace(
                recipe, precision=runtime.resolve_precision(recipe.precision)
            ),
            run_dir=FLAGS.run_dir,
            versions=environment.versions(),
            weights=FLAGS.weights,
        )
    else:
        notes = importing.import_text_encoder(
            text_encoder, run_dir=FLAGS.run_dir, versions=environment.versions()
        )
    for note in notes:
        print(note)
    print(FLAGS.run_dir)


def _check_flags(kind: str) -> None:
    flags_of_kind = {
        "df_gan": ("generator", "vocabulary", "discriminator", "weights"),
        "damsm": ("vocabulary",),
    }.get(kind, ())
    for name in ("generator", "vocabulary", "discriminator", "weights"):
        allows, value = name in flags_of_kind, FLAGS[name].value
        if allows and value is None and name in ("generator", "vocabulary"):
            raise program.UsageError(f"--{name}", f"must be given for --from={kind}", "nothing")
        if not allows and value is not None:
            raise program.UsageError(f"--{name}", f"must be left out for --from={kind}", value)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
