"""A run has the word rules of its data set, of itself before, or of the run it starts with."""

import dataclasses
import functools
import json
import pathlib
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from tests.contract.runs import start
from tests.tiny import QUICK
from tfgan2.data import preparing, records, sources
from tfgan2.export import saved_model
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler
from tfgan2.text.tokenizers import count_words

CAPTIONS = ["एक काला कुत्ता", "赤い鳥", "größerer Käfer", "Chim đẹp ệ"]


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, [32, 32, 1]).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data set of captions in several scripts."""
    target: pathlib.Path = tmp_path_factory.mktemp("scripts") / "data"
    items = [
        sources.Item(str(number), functools.partial(picture, number), (CAPTIONS[number % 4],))
        for number in range(24)
    ]
    collection = sources.Collection(
        splits={"train": items[:22], "test": items[22:]}, licence="none", channels=1
    )
    preparing.prepare(
        collection, source="folder", image_size=32, output_dir=target, count_words=count_words
    )
    return target


@pytest.fixture(scope="module")
def earlier_data(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same data set, as version 0.2.0 wrote it."""
    target: pathlib.Path = tmp_path_factory.mktemp("earlier") / "data"
    target.mkdir()
    for file in data.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    fields = json.loads((data / "dataset.json").read_text())
    assert fields.pop("word_rules") == "unicode"
    fields["vocabulary"] = count_words(CAPTIONS, "letters")
    (target / "dataset.json").write_text(json.dumps(fields))
    return target


@pytest.fixture(scope="module")
def run(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return start(QUICK, data, tmp_path_factory.mktemp("new") / "run")


@pytest.fixture(scope="module")
def earlier_run(
    earlier_data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    """A run on the earlier data set, with a configuration that names no rules."""
    run = start(QUICK, earlier_data, tmp_path_factory.mktemp("earlier_run") / "run")
    fields = json.loads(run.config_file.read_text())
    assert fields["recipe"].pop("word_rules") == "letters"
    fields["versions"]["tfgan2"] = "0.2.0"
    run.config_file.write_text(json.dumps(fields))
    return run


def words(run: RunDirectory) -> list[str]:
    return run.vocabulary_file.read_text(encoding="utf-8").splitlines()


def test_a_new_run_and_its_export_know_the_words_in_every_form(
    run: RunDirectory, data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    assert run.read_config().recipe.word_rules == records.load_manifest(data).word_rules
    assert {"कुत्ता", "赤", "größerer", "đẹp"} <= set(words(run))
    sampler, config, _ = load_sampler(run)
    examples = config.data["example_captions"]
    version = saved_model.export(sampler, tmp_path / "export", captions=examples, card={})
    served = tf.saved_model.load(str(version)).signatures["embed"]
    composed, decomposed = (
        [unicodedata.normalize(form, caption) for caption in CAPTIONS] for form in ("NFC", "NFD")
    )
    expected = sampler.embed(tf.constant(composed)).numpy()
    assert not sampler.unknown_words(tf.constant(decomposed)).numpy().any()
    for captions in (composed, decomposed):
        sentences = served(caption=tf.constant(captions))["sentence"].numpy()
        np.testing.assert_allclose(sentences, expected, atol=1e-5)


def test_a_run_without_rules_in_its_configuration_keeps_its_tokenizer(
    earlier_run: RunDirectory, earlier_data: pathlib.Path
) -> None:
    assert "क" in words(earlier_run)
    sampler, config, _ = load_sampler(earlier_run)
    assert config.recipe.word_rules == "letters"
    # The marks cut the word into letters.
    assert sampler.unknown_words(tf.constant(["कुत्ता", "赤い鳥", "赤 鳥"])).numpy().tolist() == [
        0,
        0,
        2,
    ]
    # The same command goes on with the same rules.
    assert start(QUICK, earlier_data, earlier_run.path, steps=2).read_config() == config


def test_rules_of_a_run_go_on_and_no_others_do(run: RunDirectory, data: pathlib.Path) -> None:
    config = run.read_config()
    assert start(QUICK, data, run.path, steps=2).read_config() == config
    letters = dataclasses.replace(QUICK, word_rules="letters")
    with pytest.raises(UsageError, match="--run_dir: must hold a run of the same recipe"):
        start(letters, data, run.path, steps=3)


def test_a_run_that_starts_with_another_run_keeps_its_rules(
    earlier_run: RunDirectory, data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tuned = start(QUICK, data, tmp_path / "tuned", init_from=earlier_run.path)
    assert tuned.read_config().recipe.word_rules == "letters"
    encoded = start(QUICK, data, tmp_path / "encoded", text_encoder=earlier_run.path)
    assert encoded.read_config().recipe.word_rules == "letters"
    assert words(encoded) == words(earlier_run)


def test_rules_other_than_those_of_the_vocabulary_are_refused(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    letters = dataclasses.replace(QUICK, word_rules="letters")
    with pytest.raises(UsageError, match=r"--word_rules: must be unicode, by which .* got letters"):
        start(letters, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
