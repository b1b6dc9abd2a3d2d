"""The quick start's data sets, and the public commands that it runs for each of them."""

import dataclasses
import pathlib
import time
from collections.abc import Mapping

from serving.child_server import child_server, free_port
from tools import commands

PICTURES = "pictures"


@dataclasses.dataclass(frozen=True)
class Example:
    """A data set, and the options of the commands for it.

    Attributes:
      prepare: options of tools.prepare besides the source.
      recipe: recipe of the training.
      text_encoder: options of tools.train_text_encoder; empty: the text encoder is trained with the
        generator.
      evaluate: options of tools.evaluate.
      pictures: caption and seed of each picture that the server draws, by file name.
    """

    prepare: tuple[str, ...]
    recipe: str
    text_encoder: tuple[str, ...]
    evaluate: tuple[str, ...]
    pictures: Mapping[str, tuple[str, int]]


# By the source of tools.prepare.
EXAMPLES = {
    "digits": Example(
        prepare=(),
        recipe="digits_df_gan",
        text_encoder=(),
        evaluate=("--metrics=agreement,diversity,kid", "--samples=1000"),
        pictures={
            "seven_seed_1.png": ("a handwritten seven", 1),
            "seven_seed_2.png": ("a handwritten seven", 2),
            "four_seed_1.png": ("the digit 4", 1),
        },
    ),
    "emoji": Example(
        prepare=("--image_size=64",),
        recipe="emoji_paired_gan",
        text_encoder=("--kind=damsm", "--epochs=30", "--augment_translation_px=3"),
        evaluate=(
            *("--split=train", "--metrics=r_precision,kid", "--samples=500"),
            "--pictures_per_caption=1",
        ),
        pictures={
            "blue_heart.png": ("blue heart", 1),
            "grinning_face.png": ("grinning face", 1),
            "yellow_square.png": ("yellow square", 1),
        },
    ),
}


def run(name: str, *, steps: int | None) -> None:
    """Runs all commands; exits with the code of the first command that fails.

    Args:
      name: data set, a key of EXAMPLES.
      steps: goal of the training in steps; None: the goal of the recipe.
    """
    began = time.monotonic()
    example = EXAMPLES[name]
    data_dir, run_dir, export_dir = f"data/{name}", f"runs/{name}", f"exports/{name}"

    # Data set, text encoder and generator.
    commands.run("tools.prepare", f"--source={name}", f"--output_dir={data_dir}", *example.prepare)
    options = [f"--recipe={example.recipe}", f"--data_dir={data_dir}", f"--run_dir={run_dir}"]
    if example.text_encoder:
        encoder = f"{run_dir}_text_encoder"
        paths = (f"--data_dir={data_dir}", f"--run_dir={encoder}")
        commands.run("tools.train_text_encoder", *paths, *example.text_encoder)
        options.append(f"--text_encoder={encoder}")
    if steps is not None:
        options.append(f"--steps={steps}")
    commands.run("tfgan2.train", *options)
    commands.run(
        "tools.evaluate", f"--run_dir={run_dir}", f"--data_dir={data_dir}", *example.evaluate
    )

    # Export, and pictures from a server.
    commands.run("tools.export", f"--run_dir={run_dir}", f"--export_dir={export_dir}")
    pathlib.Path(PICTURES).mkdir(exist_ok=True)
    port = free_port()
    served = (f"--model_name={name}", f"--model_base_path={pathlib.Path(export_dir).absolute()}")
    server = commands.announce("serving.server", *served, f"--port={port}")
    with child_server(server):
        for file, (caption, seed) in example.pictures.items():
            wanted = (f"--caption={caption}", f"--seed={seed}", f"--output={PICTURES}/{file}")
            commands.run("serving.client", f"--target=localhost:{port}", f"--model={name}", *wanted)

    grid = max(pathlib.Path(run_dir, "samples").glob("step_*.png"))
    print(f"\n{time.monotonic() - began:.0f} seconds. Pictures:")
    for path in [grid, *(f"{PICTURES}/{file}" for file in example.pictures)]:
        print(f"  {path}")
