"""Runs whose text encoder has frozen word vectors: training, resuming, use in a GAN."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from tests.contract.runs import start
from tests.tiny import QUICK, TINY
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.pretrained import load_pretrained_text_encoder
from tfgan2.runs.sampling import load_sampler

# The vectors have 5 values, and the recipe's length is another one.
RECIPE = dataclasses.replace(TINY["damsm"], text_encoder_kind="word_vectors", word_embedding_size=8)
NOT_IN_THE_DATA = "alligator"


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with vectors of some words of the data set, and of one that it does not have."""
    generator = np.random.default_rng(0)
    words = ("the", "digit", "seven", "two", "7", NOT_IN_THE_DATA)
    lines = [" ".join([word, *map(str, generator.normal(size=5))]) for word in words]
    path: pathlib.Path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    path.write_text("\n".join(lines))
    return str(path)


@pytest.fixture(scope="module")
def encoder_run(
    vectors: str, data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    path = tmp_path_factory.mktemp("encoder") / "run"
    return start(RECIPE, data_dir, path, steps=2, word_vectors=vectors)


def test_run_keeps_the_vectors_and_trains_the_projection(
    encoder_run: RunDirectory, vectors: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    assert encoder_run.read_config().recipe.word_embedding_size == 5
    before = load_pretrained_text_encoder(encoder_run.path).encoder
    shutil.copytree(encoder_run.path, tmp_path / "run")
    start(RECIPE, data_dir, tmp_path / "run", steps=4)
    after = load_pretrained_text_encoder(tmp_path / "run").encoder
    np.testing.assert_array_equal(
        before.word_embedding.get_weights()[0], after.word_embedding.get_weights()[0]
    )
    assert np.abs(before.projection.get_weights()[0] - after.projection.get_weights()[0]).max() > 0


def test_gan_knows_words_that_its_data_set_does_not_have(
    encoder_run: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(QUICK, freeze_text_encoder=True)
    run = start(recipe, data_dir, tmp_path / "run", text_encoder=encoder_run.path, steps=1)
    sampler, _, _ = load_sampler(run)
    tokens = sampler.tokenizer([NOT_IN_THE_DATA, "crocodile"])
    assert tokens["unknown_words"].numpy().tolist() == [0, 1]
    one, other = np.asarray(sampler.embed([NOT_IN_THE_DATA, "crocodile"]))
    assert np.abs(one).max() > 0.1
    assert not other.any()


@pytest.mark.parametrize(
    ("recipe", "options", "rule"),
    [
        (RECIPE, {}, "--word_vectors: must be given for a new --text_encoder_kind=word_vectors"),
        (TINY["damsm"], {"word_vectors": "x"}, "--word_vectors: must be given for"),
        (RECIPE, {"word_vectors": "/none"}, "--word_vectors: must be wordllama or a file"),
        (
            dataclasses.replace(QUICK, text_encoder_kind="word_vectors"),
            {},
            "--text_encoder_kind: must be left out without --text_encoder",
        ),
    ],
)
def test_start_without_the_right_vectors_is_refused_before_any_file_is_written(
    recipe: object, options: dict, rule: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=rule):
        start(recipe, data_dir, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_run_without_a_checkpoint_begins_again_only_with_the_same_words(
    encoder_run: RunDirectory, vectors: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory.at(shutil.copytree(encoder_run.path, tmp_path / "run"))
    for file in run.checkpoints.iterdir():
        if file != run.vocabulary_file:
            file.unlink()
    (tmp_path / "fewer.txt").write_text("seven 1 2 3 4 5\n")
    with pytest.raises(UsageError, match="--word_vectors: must have the 6 words"):
        start(RECIPE, data_dir, run.path, word_vectors=str(tmp_path / "fewer.txt"))
    start(RECIPE, data_dir, run.path, word_vectors=vectors)
