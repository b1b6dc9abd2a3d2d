"""Text encoders: training, loading into a GAN, freezing, and storage in the run of the GAN."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.contract.runs import start
from tests.tiny import QUICK, TINY, VARIANTS
from tfgan2.evaluation import extractors
from tfgan2.program import UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.pretrained import load_pretrained_text_encoder
from tfgan2.runs.sampling import load_matcher, load_sampler

DAMSM = TINY["damsm"]
GAN = dataclasses.replace(QUICK, freeze_text_encoder=True, sampling_max_words=9)


@pytest.fixture(scope="module")
def damsm(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    path = tmp_path_factory.mktemp("damsm") / "run"
    return start(DAMSM, data_dir, path, steps=4, evaluate_every=2)


@pytest.fixture(scope="module")
def other(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    path = tmp_path_factory.mktemp("other") / "run"
    return start(dataclasses.replace(DAMSM, seed=9), data_dir, path)


@pytest.fixture(scope="module")
def gan(
    damsm: RunDirectory, data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    """A run of two steps; the copy of the text encoder's run that it loaded is deleted."""
    folder = tmp_path_factory.mktemp("gan")
    shutil.copytree(damsm.path, folder / "damsm")
    recipe = dataclasses.replace(GAN, text_encoder_kind="word_cnn", sentence_size=2, max_words=1)
    run = start(recipe, data_dir, folder / "run", text_encoder=folder / "damsm", steps=2)
    shutil.rmtree(folder / "damsm")
    return run


def same(one: keras.Model, other: keras.Model) -> bool:
    return all(map(np.array_equal, one.get_weights(), other.get_weights()))


def test_matching_run_reports_retrieval_and_chance(damsm: RunDirectory) -> None:
    lines = damsm.evaluations_file.read_text().splitlines()
    assert len(lines) == 2
    line = json.loads(lines[-1])
    assert line["protocol"]["checkpoint"] == "step 4"
    assert line["protocol"]["real_images"] == {"train": 140, "test": 20}
    assert set(line["metrics"]) == {"r1_train", "r5_train", "r1_test", "r5_test"}
    for score in line["metrics"].values():
        assert 0.0 <= score["low"] <= score["value"] <= score["high"] <= 1.0
        assert 0.0 < score["chance"] < 1.0


def test_gan_loads_a_text_encoder_with_its_options_and_vocabulary(
    damsm: RunDirectory, gan: RunDirectory
) -> None:
    config = gan.read_config()
    encoder_options = dataclasses.replace(DAMSM, sampling_max_words=9, word_rules="unicode")
    assert recipes.text_options(config.recipe) == recipes.text_options(encoder_options)
    assert config.text_encoder["run"] == str(gan.path.parent / "damsm")
    assert gan.vocabulary_file.read_bytes() == damsm.vocabulary_file.read_bytes()
    trained = load_pretrained_text_encoder(damsm.path).encoder
    sampler, _, _ = load_sampler(gan)
    assert same(sampler.text_encoder, trained)


def test_unfrozen_text_encoder_is_trained(
    damsm: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(GAN, freeze_text_encoder=False)
    run = start(recipe, data_dir, tmp_path / "run", text_encoder=damsm.path)
    trained = load_pretrained_text_encoder(damsm.path).encoder
    learned = load_pretrained_text_encoder(run.path).encoder
    assert not same(learned, trained)


def test_run_resumes_without_the_text_encoder_run(
    gan: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory.existing(shutil.copytree(gan.path, tmp_path / "run"))
    start(GAN, data_dir, run.path, steps=3)
    assert [path[-6:] for path in checkpoint.find(run.checkpoints)] == ["ckpt-3", "ckpt-2"]
    before, after = load_sampler(gan)[0], load_sampler(run)[0]
    assert same(before.text_encoder, after.text_encoder)
    assert not same(before.generator, after.generator)


def test_different_text_encoder_is_refused_on_resume(
    gan: RunDirectory, other: RunDirectory, data_dir: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match="--text_encoder: must be left out, or what the run"):
        start(GAN, data_dir, gan.path, text_encoder=other.path, steps=4)


def test_run_without_a_checkpoint_needs_the_text_encoder_again(
    gan: RunDirectory, damsm: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = RunDirectory.existing(shutil.copytree(gan.path, tmp_path / "run"))
    for path in run.checkpoints.glob("ckpt*"):
        path.unlink()
    (run.checkpoints / "checkpoint").unlink()
    with pytest.raises(UsageError, match="--text_encoder: must be given until the run has a"):
        start(GAN, data_dir, run.path)
    assert start(GAN, data_dir, run.path, text_encoder=damsm.path).checkpoints.exists()


def test_freezing_an_untrained_text_encoder_is_refused(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match="--freeze_text_encoder: must come with --text_encoder"):
        start(GAN, data_dir, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_inception_needs_its_weights(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    recipe = dataclasses.replace(DAMSM, image_encoder="inception_v3")
    with pytest.raises(UsageError, match="--inception_weights: must be given"):
        start(recipe, data_dir, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("schedule", "rule"),
    [
        ({"jit_compile": True}, "--jit_compile: must be off for damsm"),
        ({"keep_best": "kid", "evaluate_every": 1}, "--keep_best: must be none"),
    ],
)
def test_unsupported_options_of_a_matching_model_are_refused(
    schedule: dict, rule: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=rule):
        start(DAMSM, data_dir, tmp_path / "run", **schedule)
    assert not (tmp_path / "run").exists()


def test_matching_model_refuses_a_pretrained_text_encoder(
    damsm: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match="--text_encoder: must be left out for damsm"):
        start(DAMSM, data_dir, tmp_path / "run", text_encoder=damsm.path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"sentence_size": 7}, "--sentence_size: must be even for bi_lstm, got 7"),
        ({"text_encoder_kind": "word_cnn"}, "--text_encoder_kind: must be bi_lstm or word_"),
        ({"image_size": 24}, "--image_size: must be one of 16, 32"),
    ],
)
def test_invalid_options_are_refused_before_any_file_is_written(
    fields: dict, rule: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UsageError, match=rule):
        start(dataclasses.replace(DAMSM, **fields), data_dir, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_matching_run_is_no_generator_and_gan_run_is_no_matcher(
    damsm: RunDirectory, run: RunDirectory
) -> None:
    with pytest.raises(UsageError, match="--run_dir: must be a run of a system that draws"):
        load_sampler(damsm)
    with pytest.raises(UsageError, match="--matching: must be a run of a matching model"):
        load_matcher(run, flag="--matching")


def test_protocol_says_whether_the_matcher_was_used_in_training(
    gan: RunDirectory, damsm: RunDirectory, other: RunDirectory
) -> None:
    config = gan.read_config()
    assert config.text_encoder is not None
    card = {"checksum": config.text_encoder["checksum"]}  # As in the card of an export.
    for reader in (config.text_encoder, card):
        assert extractors.load_matching(damsm.path, reader, channels=1).protocol["used_in_training"]
        assert not extractors.load_matching(other.path, reader, channels=1).protocol[
            "used_in_training"
        ]
    assert not extractors.load_matching(damsm.path, {}, channels=1).protocol["used_in_training"]


def test_matcher_encodes_images_of_any_size(damsm: RunDirectory) -> None:
    matcher, _ = load_matcher(damsm, flag="--matching")
    small, large = (
        np.stack([np.full([side, side, 1], grey, np.uint8) for grey in (0, 90, 255)])
        for side in (32, 80)
    )
    np.testing.assert_allclose(
        matcher.encode_images(small), matcher.encode_images(large), atol=1e-5
    )
    codes = matcher.encode_captions(["the digit 3", "", "???"])
    assert codes.shape == (3, 8)
    assert np.isfinite(codes).all()


def test_character_encoder_is_loaded_without_a_vocabulary(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    sje = start(VARIANTS["sje"], data_dir, tmp_path / "sje")
    assert not sje.vocabulary_file.exists()
    run = start(GAN, data_dir, tmp_path / "run", text_encoder=sje.path)
    sampler, _, _ = load_sampler(run)
    assert sampler.unknown_words(tf.constant(["größe 7"])).numpy().tolist() == [1]
