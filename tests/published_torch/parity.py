"""Compares imported files with what the published code computes with them, and prints a table.

write_parity.py writes the files: python -m tests.published_torch.parity DIR
"""

import dataclasses
import pathlib
import sys
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf

import tfgan2.recipes
from tfgan2 import program
from tfgan2.adversarial.noise import StepNoise
from tfgan2.interop import df_gan, importing, torch_files
from tfgan2.models.df_gan.model import DFGAN
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler, make_tokenizer

RECIPE = pathlib.Path(tfgan2.recipes.__path__[0]) / "cub_df_gan.flags"
CHECKPOINT = "state_epoch_007.pth"
CAPTION_WORDS = 18
# Largest allowed difference, as a share of the largest value.
LIMIT = 1e-4
# Allowed root mean square difference of weights after a step, as a share of their change.
STEP_LIMIT = 1e-2

Answers = dict[str, np.ndarray]
Row = tuple[str, float, float, float]


def import_run(folder: pathlib.Path, run_dir: pathlib.Path) -> RunDirectory:
    """Imports the files as tools.import_weights does, in float32."""
    text_encoder = importing.read_text_encoder(
        folder / "text_encoder200.pth", vocabulary=folder / "captions_DAMSM.pickle"
    )
    importing.import_df_gan(
        generator=folder / CHECKPOINT,
        discriminator=None,
        text_encoder=text_encoder,
        recipe=dataclasses.replace(recipes.from_flagfile(RECIPE), precision="float32"),
        run_dir=run_dir,
        versions={},
    )
    return RunDirectory.existing(run_dir)


def sampling_rows(
    run: RunDirectory, gan: DFGAN, captions: list[str], answers: Answers
) -> list[Row]:
    """Compares ids, sentences, images, features and logits of captions."""
    sampler, _, _ = load_sampler(run)
    ids = sampler.tokenizer(tf.constant(captions))["ids"].numpy()
    different = abs(ids.shape[1] - answers["ids"].shape[1])
    if not different:
        different = int(np.any(ids != answers["ids"], axis=1).sum())
    sentence, image = answers["sentence"], answers["image"].transpose(0, 2, 3, 1)
    features = answers["features"].transpose(0, 2, 3, 1)
    return [
        (f"tokenizer: captions with other ids, of {len(captions)}", different, 1.0, 0.0),
        row("RNN_ENCODER: sentences", sampler.embed(tf.constant(captions)), sentence),
        row("NetG: images", sampler.generator(answers["noise"], sentence), image),
        row("NetD: features", gan.image_features(image), features),
        row("NetC: logits", gan.head(features, sentence), answers["logit"].ravel()),
    ]


def step_rows(gan: DFGAN, before: dict[str, df_gan.State], answers: Answers) -> list[Row]:
    """Compares the weights of each network after one training step."""
    tokens = {name: answers[f"step/{name}"].astype(np.int32) for name in ("ids", "length")}
    batch = {
        "image": tf.constant(answers["step/images"].transpose(0, 2, 3, 1)),
        "tokens": {name: tf.constant(it) for name, it in tokens.items()},
        # The published code combines the sentence with the features of the next image.
        "mismatched_tokens": {name: tf.roll(it, 1, axis=0) for name, it in tokens.items()},
    }
    noise = tf.constant(answers["step/noise"])
    with mock.patch.object(StepNoise, "normal", return_value=noise):
        gan.train_step(batch)
    mappings = {
        "netG": df_gan.generator_mapping(gan.generator, early=False),
        "netD": df_gan.image_features_mapping(gan.image_features, early=False),
        "netC": df_gan.head_mapping(gan.head, prefix=""),
    }
    rows = []
    for name, mapping in mappings.items():
        after = {key: answers[f"after/{name}/{key}"] for key in mapping}
        differences = [it.variable.numpy() - it.convert(after[key]) for key, it in mapping.items()]
        change = root_mean_square([after[key] - before[name][key] for key in mapping])
        # Not the largest one: where a gradient is nearly 0, rounding decides the sign of a step.
        difference = root_mean_square(differences)
        rows.append((f"one step: weights of {name}, rms", difference, change, STEP_LIMIT * change))
    return rows


def root_mean_square(tensors: list[np.ndarray]) -> float:
    """Root of the mean of the squares of all values."""
    total = sum(np.square(it, dtype=np.float64).sum() for it in tensors)
    return float(np.sqrt(total / sum(it.size for it in tensors)))


def row(name: str, ours: tf.Tensor, published: np.ndarray) -> Row:
    """Name, largest difference, largest value, and largest allowed difference."""
    difference = np.abs(np.asarray(ours) - published).max()
    scale = np.abs(published).max()
    return name, float(difference), float(scale), LIMIT * float(scale)


def table(folder: pathlib.Path) -> list[Row]:
    """Imports the files and compares all parts."""
    with np.load(folder / "answers.npz") as file:
        answers = dict(file)
    captions = (folder / "captions.txt").read_text(encoding="utf-8").split("\n")
    with tempfile.TemporaryDirectory() as parent:
        run = import_run(folder, pathlib.Path(parent) / "run")
        recipe, tokenizer = run.read_config().recipe, make_tokenizer(run, run.read_config().recipe)
        gan = recipes.build_model(
            recipe, image_channels=3, vocabulary_size=tokenizer.vocabulary_size, dtype="float32"
        )
        gan.compile(optimizers=gan.make_optimizers(images_per_epoch=1), run_eagerly=True)
        Checkpoints(gan, run.checkpoints, keep=1).restore()
        rows = sampling_rows(run, gan, captions, answers)
        return rows + step_rows(gan, torch_files.read(folder / CHECKPOINT)["model"], answers)


def main() -> None:
    """Prints the table; ends with code 1 if a difference is too large."""
    program.quieten_tensorflow()
    rows = table(pathlib.Path(sys.argv[1]))
    print("| part | largest difference | largest value, or change |\n| --- | --- | --- |")
    for name, difference, scale, _ in rows:
        print(f"| {name} | {difference:.1e} | {scale:.1e} |")
    faults = [name for name, difference, _, limit in rows if not difference <= limit]
    if faults:
        sys.exit(f"error: {', '.join(faults)}: must not differ so much")


if __name__ == "__main__":
    main()
