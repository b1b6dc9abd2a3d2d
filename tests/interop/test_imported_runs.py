"""Imported runs are evaluated, exported and trained further by the public commands."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests import programs
from tests.contract.runs import eagerly, start, train_to, without_sample_grids
from tests.data import drawn
from tests.reference import rnn_encoder
from tests.tiny import QUICK
from tfgan2.data import preparing, records, sources
from tfgan2.evaluation import extractors
from tfgan2.interop import torch_files
from tfgan2.metrics import features
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_matcher, load_sampler
from tfgan2.text.tokenizers import count_words
from tfgan2.training import trainer

PUBLISHED = pathlib.Path(__file__).parent / "published"
DF_GAN = PUBLISHED / "2022_32px"
DAMSM = PUBLISHED / "rnn_encoder_small"
STEPS_IN_FILE = 2


def command(module: str, *options: str) -> str:
    ended = programs.run(module, *options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def text_encoder_flags() -> list[str]:
    return [
        f"--text_encoder={DAMSM}/legacy/text_encoder200.pth",
        f"--vocabulary={DAMSM}/captions_DAMSM.pickle",
    ]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    path = tmp_path_factory.mktemp("imported") / "run"
    shown = command(
        "tools.import_weights",
        "--from=df_gan",
        f"--generator={DF_GAN}/zip/state_epoch_0007.pth",
        *text_encoder_flags(),
        f"--run_dir={path}",
    )
    assert shown.startswith("DF-GAN of 2022, 32 px, step 2: ")
    assert "anew" not in shown
    assert "\nnot used: epoch, lr, betas, eps, weight_decay, amsgrad, wordtoix\n" in shown
    return RunDirectory.existing(path)


@pytest.fixture(scope="module")
def colours(imported: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data set of red and blue squares, with a classifier trained for a few steps."""
    path = tmp_path_factory.mktemp("colours") / "data"
    collection = sources.Collection(
        splits={
            "train": [drawn.coloured(number) for number in range(80)],
            "test": [drawn.coloured(number) for number in range(80, 100)],
        },
        label_names=("red", "blue"),
        licence="none",
        channels=3,
    )
    preparing.prepare(
        collection, source="folder", image_size=32, output_dir=path, count_words=count_words
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "FEWEST_STEPS", 5)
        view = recipes.view(imported.read_config().recipe)
        extractors.domain_classifier(path, records.load_manifest(path), view=view)
    return path


def resume(run: RunDirectory, data_dir: pathlib.Path, *, steps: int) -> trainer.Outcome:
    """Resumes a run as a user does: with the recipe of its config.json."""
    with eagerly(), without_sample_grids():
        return train_to(steps, run.read_config().recipe, data_dir, run.path)


def test_imported_run_computes_sentences_and_images_of_torch(imported: RunDirectory) -> None:
    sampler, config, _ = load_sampler(imported)
    with np.load(DAMSM / "answers.npz") as answers:
        sentence = sampler.embed(tf.constant(config.data["example_captions"]))
        np.testing.assert_allclose(sentence, answers["sentence"], atol=1e-4)
    with np.load(DF_GAN / "answers.npz") as answers:
        drawn_here = sampler.generator(answers["noise"], answers["sentence"])
        expected = answers["drawn"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(drawn_here, expected, atol=1e-4 * np.abs(expected).max())


def test_imported_run_is_exported_evaluated_and_trained_further(
    imported: RunDirectory, colours: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shown = command("tools.export", f"--run_dir={imported.path}", f"--export_dir={tmp_path}/e")
    assert shown == f"{tmp_path}/e/1\n"
    shown = command(
        "tools.evaluate",
        f"--run_dir={imported.path}",
        f"--data_dir={colours}",
        "--metrics=agreement,kid",
        "--samples=20",
    )
    assert "agreement" in shown

    before = load_sampler(imported)[0].generator.get_weights()
    text_before = load_sampler(imported)[0].text_encoder.get_weights()
    outcome = resume(imported, colours, steps=STEPS_IN_FILE + 1)
    assert outcome.step == STEPS_IN_FILE + 1
    sampler, config, _ = load_sampler(imported)
    assert config.data["checksum"] is not None
    changes = [
        np.abs(a - b).max() for a, b in zip(sampler.generator.get_weights(), before, strict=True)
    ]
    assert 0 < max(changes) < 1e-3  # One step of Adam, no new initialization.
    for ours, old in zip(sampler.text_encoder.get_weights(), text_before, strict=True):
        np.testing.assert_array_equal(ours, old)


def test_new_run_starts_with_imported_weights_and_learns_new_words(
    imported: RunDirectory, colours: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(imported.read_config().recipe, generator_learning_rate=0.0)
    run = start(recipe, colours, tmp_path / "run", init_from=imported.path)
    before, after = load_sampler(imported)[0], load_sampler(run)[0]
    words = before.tokenizer.words
    assert after.tokenizer.words[: len(words)] == words
    assert {"red", "blue"} <= set(after.tokenizer.words)
    for one, other in zip(
        before.generator.get_weights(), after.generator.get_weights(), strict=True
    ):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-7)
    known = tf.constant([" ".join(words[:5])])
    np.testing.assert_allclose(after.embed(known), before.embed(known), rtol=1e-5, atol=1e-6)
    # The licence of published weights stays with the run.
    config = run.read_config()
    assert config.data["imported"] == imported.read_config().data["imported"]


def test_imported_run_and_its_export_read_all_words_of_long_captions(
    imported: RunDirectory, tmp_path: pathlib.Path
) -> None:
    state = torch_files.read(DAMSM / "legacy" / "text_encoder200.pth")
    generator = np.random.default_rng(0)
    # The training cut is 18 words; the published sampling code has no cut.
    rows = [generator.integers(1, 50, count) for count in (28, 5, 100)]
    captions = [" ".join(f"word{number}" for number in row) for row in rows]
    expected = [rnn_encoder.encode(state, row[None], np.array([len(row)]))[1] for row in rows]
    sampler, config, _ = load_sampler(imported)
    assert config.recipe.max_words == 18
    np.testing.assert_allclose(
        sampler.embed(tf.constant(captions)), np.concatenate(expected), atol=1e-6
    )
    command("tools.export", f"--run_dir={imported.path}", f"--export_dir={tmp_path}/e")
    embed = tf.saved_model.load(f"{tmp_path}/e/1").signatures["embed"]
    for caption, sentence in zip(captions, expected, strict=True):
        np.testing.assert_allclose(
            embed(caption=tf.constant([caption]))["sentence"], sentence, atol=1e-6
        )


def test_images_of_other_channels_are_refused(
    imported: RunDirectory, data_dir: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match="--data_dir: must have images of 3 channels"):
        resume(imported, data_dir, steps=9)


def test_imported_text_encoder_is_loaded_by_a_gan_but_is_no_matcher(
    colours: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "damsm"
    command("tools.import_weights", "--from=damsm", *text_encoder_flags(), f"--run_dir={path}")
    with pytest.raises(UsageError, match="--matching: must be a whole matching model"):
        load_matcher(RunDirectory.existing(path), flag="--matching")
    with pytest.raises(UsageError, match="--init_from: must be a whole matching model"):
        start(recipes.Recipe(model="damsm"), colours, tmp_path / "damsm2", init_from=path)
    recipe = dataclasses.replace(QUICK, freeze_text_encoder=True)
    sampler, _, _ = load_sampler(start(recipe, colours, tmp_path / "run", text_encoder=path))
    captions = RunDirectory.existing(path).read_config().data["example_captions"]
    answers = np.load(DAMSM / "answers.npz")
    np.testing.assert_allclose(sampler.embed(tf.constant(captions)), answers["sentence"], atol=1e-4)
