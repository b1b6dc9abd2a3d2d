"""Fine-tuning: a run starts with the networks of another run, on another data set."""

import dataclasses
import functools
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.contract.runs import start
from tests.tiny import QUICK, QUICK_DF_GAN, TINY, VARIANTS
from tfgan2.data import preparing, sources
from tfgan2.program import UsageError
from tfgan2.runs.checkpoint import find
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.pretrained import load_pretrained_text_encoder
from tfgan2.runs.recipe import Recipe
from tfgan2.runs.sampling import load_model, make_tokenizer
from tfgan2.runs.source import WORD_ROWS, networks, variables
from tfgan2.text.tokenizers import WordTokenizer, count_words

# With these rates no update changes a weight.
RATES = {"generator_learning_rate": 0.0, "discriminator_learning_rate": 0.0}
FIXED = dataclasses.replace(QUICK, **RATES)
# The most frequent word is new to runs of the digits.
CAPTIONS = ["a zebra in the snow", "a zebra", "the digit seven", "two zebra"]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data set of other pictures and captions than the digits."""
    return prepare(tmp_path_factory.mktemp("drawings") / "data", channels=1)


@pytest.fixture(scope="module")
def df_gan_run(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return start(QUICK_DF_GAN, data_dir, tmp_path_factory.mktemp("df_gan") / "run")


@pytest.fixture(scope="module")
def damsm(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return start(TINY["damsm"], data_dir, tmp_path_factory.mktemp("damsm") / "run")


@pytest.fixture(scope="module")
def with_damsm(
    damsm: RunDirectory, data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> RunDirectory:
    """A run that begins with the text encoder of `damsm`."""
    recipe = dataclasses.replace(QUICK, freeze_text_encoder=True)
    path = tmp_path_factory.mktemp("with_damsm") / "run"
    return start(recipe, data_dir, path, text_encoder=damsm.path)


def prepare(target: pathlib.Path, *, channels: int) -> pathlib.Path:
    """Writes 22 train images and 2 test images."""
    items = [
        sources.Item(
            str(number),
            functools.partial(picture, number, channels),
            (CAPTIONS[number % len(CAPTIONS)],),
        )
        for number in range(24)
    ]
    collection = sources.Collection(
        splits={"train": items[:22], "test": items[22:]}, licence="none", channels=channels
    )
    preparing.prepare(
        collection, source="folder", image_size=32, output_dir=target, count_words=count_words
    )
    return target


def picture(number: int, channels: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, [32, 32, channels]).astype(np.uint8)


def weights(run: RunDirectory) -> dict[str, dict[str, np.ndarray]]:
    """Weights of the newest checkpoint: by network and path."""
    config = run.read_config()
    model, _ = load_model(run, config, make_tokenizer(run, config.recipe), checkpoint="latest")
    return {
        name: {path: it.numpy() for path, it in variables(network).items()}
        for name, network in networks(model).items()
    }


def rows_by_word(run: RunDirectory, rows: np.ndarray) -> dict[str, np.ndarray]:
    tokenizer = make_tokenizer(run, run.read_config().recipe)
    assert isinstance(tokenizer, WordTokenizer)
    return dict(zip(tokenizer.words, rows[1:], strict=True))


def test_all_networks_start_from_the_other_run_and_words_keep_their_embeddings(
    run: RunDirectory, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tuned = start(FIXED, drawings, tmp_path / "run", init_from=run.path)
    before, after = weights(run), weights(tuned)
    for name in ("generator", "image_features", "head", "text_encoder"):
        for path, value in before[name].items():
            if path != WORD_ROWS:
                np.testing.assert_array_equal(after[name][path], value, err_msg=path)
    for name in ("text_encoder", "average_text_encoder"):
        old = rows_by_word(run, before[name][WORD_ROWS])
        new = rows_by_word(tuned, after[name][WORD_ROWS])
        assert new.keys() - old.keys() == {"zebra", "snow"}
        assert list(new)[: len(old)] == list(old)
        if name == "text_encoder":
            for word, row in old.items():
                np.testing.assert_array_equal(new[word], row, err_msg=word)
            started = rows_by_word(tuned, after["average_text_encoder"][WORD_ROWS])
            np.testing.assert_allclose(started["zebra"], new["zebra"], rtol=1e-6)
            assert not any(np.array_equal(new["zebra"], row) for row in old.values())


def test_averages_continue_the_ramp_up_of_the_other_run_and_optimizers_begin_anew(
    run: RunDirectory, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tuned = start(FIXED, data_dir, tmp_path / "run", init_from=run.path)
    again = start(FIXED, data_dir, tmp_path / "again", init_from=tuned.path)
    began = [it.read_config().init_from for it in (tuned, again)]
    assert [(it["step"], it["images"]) for it in began if it] == [(2, 16), (1, 24)]
    half_life = min(QUICK.ema_half_life_images, QUICK.ema_ramp_up * (16 + 8))
    decay = 0.5 ** (8 / half_life)
    before, after = weights(run), weights(tuned)
    for path, live in before["generator"].items():
        expected = live + decay * (before["average_generator"][path] - live)
        np.testing.assert_allclose(after["average_generator"][path], expected, rtol=1e-5)
    saved = tf.train.load_checkpoint(find(tuned.checkpoints)[0])
    names = [f"gan/optimizers/{it}/_iterations" for it in ("discriminator", "generator")]
    for name in names:
        assert saved.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE") == 1


def test_configuration_records_the_other_run_and_its_data_set(
    run: RunDirectory, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tuned = start(QUICK, drawings, tmp_path / "run", init_from=run.path)
    began, data = tuned.read_config().init_from, run.read_config().data
    assert began is not None
    assert began["run"] == str(run.path)
    assert began["data"] == {name: data[name] for name in ("source", "checksum", "licence")}
    assert run.read_config().init_from is None


def test_run_resumes_without_the_other_run_and_refuses_another_one(
    run: RunDirectory, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    copy = shutil.copytree(run.path, tmp_path / "source")
    tuned = start(QUICK, drawings, tmp_path / "run", init_from=copy)
    shutil.rmtree(copy)
    start(QUICK, drawings, tuned.path, steps=2)
    # The command of the first start resumes the run too.
    start(QUICK, drawings, tuned.path, steps=3, init_from=copy)
    with pytest.raises(UsageError, match="--init_from: must be left out, or what the run began"):
        start(QUICK, drawings, tuned.path, steps=4, init_from=run.path)


def test_run_without_a_checkpoint_needs_the_other_run_again(
    run: RunDirectory, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tuned = start(FIXED, drawings, tmp_path / "run", init_from=run.path)
    expected = weights(tuned)
    for path in tuned.checkpoints.glob("c*"):
        path.unlink()
    with pytest.raises(UsageError, match="--init_from: must be given until the run has a check"):
        start(FIXED, drawings, tuned.path)
    again = weights(start(FIXED, drawings, tuned.path, init_from=run.path))
    for path, value in expected["generator"].items():
        np.testing.assert_array_equal(again["generator"][path], value)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "trained"])
def test_pretrained_text_encoder_is_kept_with_its_options(
    frozen: bool,
    damsm: RunDirectory,
    with_damsm: RunDirectory,
    drawings: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
) -> None:
    recipe = dataclasses.replace(FIXED, freeze_text_encoder=frozen)
    tuned = start(recipe, drawings, tmp_path / "run", init_from=with_damsm.path)
    config = tuned.read_config()
    assert config.recipe.text_encoder_kind == "bi_lstm"
    assert config.text_encoder == with_damsm.read_config().text_encoder
    old, new = (
        {path: it.numpy() for path, it in variables(part.encoder).items()}
        for part in map(load_pretrained_text_encoder, (damsm.path, tuned.path))
    )
    known = len(old[WORD_ROWS])
    new[WORD_ROWS] = new[WORD_ROWS][:known]
    for path, value in old.items():
        np.testing.assert_allclose(new[path], value, rtol=1e-6, err_msg=path)
    warned = "--freeze_text_encoder never trains the 2 new words" in capsys.readouterr().err
    assert warned == frozen


def test_character_encoder_needs_no_vocabulary(
    data_dir: pathlib.Path, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(QUICK, text_encoder_kind="char_cnn_rnn_icml2016_birds")
    source = start(recipe, data_dir, tmp_path / "source")
    tuned = start(recipe, drawings, tmp_path / "run", init_from=source.path)
    assert not tuned.vocabulary_file.exists()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"latent_size": 9},
            r"--init_from: must have networks of the same shapes \(options there: "
            r"--latent_size=8\), got generator: first/kernel is \[8, 256\] there and "
            r"\[9, 256\] here",
        ),
        ({"generator_channels": 4}, r"\(options there: --generator_channels=2\), got generator: "),
        ({"discriminator_form": "unet"}, r"--discriminator_form=2022\), got image_features: "),
        ({"discriminator_head": "projection"}, "head: convolution/kernel is absent there and"),
        ({"freeze_discriminator_blocks": 4}, "--freeze_discriminator_blocks: must be at most 3"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_networks_of_other_shapes_are_refused_before_a_file_is_written(
    changes: dict,
    rule: str,
    df_gan_run: RunDirectory,
    drawings: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    recipe = dataclasses.replace(QUICK_DF_GAN, **changes)
    with pytest.raises(UsageError, match=rule):
        start(recipe, drawings, tmp_path / "run", init_from=df_gan_run.path)
    assert not (tmp_path / "run").exists()


def test_images_with_other_channels_are_refused(run: RunDirectory, tmp_path: pathlib.Path) -> None:
    data_dir = prepare(tmp_path / "color", channels=3)
    with pytest.raises(UsageError, match="--data_dir: must have images of 1 channels, as --init"):
        start(QUICK, data_dir, tmp_path / "run", init_from=run.path)
    assert not (tmp_path / "run").exists()


def test_run_of_another_system_and_other_files_are_refused(
    run: RunDirectory, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for recipe, other, rule in (
        (TINY["auto_write"], {}, "--init_from: must be a run of auto_write, got paired_gan"),
        (QUICK, {"text_encoder": run.path}, "--text_encoder: must be left out with --init_from"),
        (QUICK, {"init_from": drawings}, "--init_from: must be a run, with a config.json"),
    ):
        with pytest.raises(UsageError, match=rule):
            start(recipe, drawings, tmp_path / "run", **{"init_from": run.path, **other})
    assert not (tmp_path / "run").exists()


def test_joint_model_refuses_words_that_its_networks_cannot_write(
    data_dir: pathlib.Path, drawings: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = VARIANTS["img_txt-captions"]
    source = start(recipe, data_dir, tmp_path / "source")
    recipe = dataclasses.replace(recipe, mismatch_other_class=False)
    with pytest.raises(UsageError, match=r"--data_dir: must have only words of --init_from.*zebra"):
        start(recipe, drawings, tmp_path / "run", init_from=source.path)
    assert not (tmp_path / "run").exists()


def frozen_and_other_parts(recipe: Recipe) -> tuple[str, str]:
    """Prefixes of the paths of the first and the last block of the feature extractor."""
    return (
        ("encoder/0/", "encoder/2/")
        if recipe.discriminator_form == "unet"
        else (
            "blocks/0/",
            "blocks/1/",
        )
    )


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(QUICK, id="paired_gan"),
        pytest.param(VARIANTS["df_gan-unet"], id="unet", marks=pytest.mark.slow),
    ],
)
def test_frozen_discriminator_blocks_stay_and_the_others_are_trained(
    recipe: Recipe, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    source = start(recipe, data_dir, tmp_path / "source")
    tuned_recipe = dataclasses.replace(recipe, freeze_discriminator_blocks=1)
    tuned = start(tuned_recipe, data_dir, tmp_path / "run", init_from=source.path)
    before, after = (weights(it)["image_features"] for it in (source, tuned))
    frozen, trained = frozen_and_other_parts(recipe)
    for path, value in before.items():
        if path.startswith(("first/", frozen)):
            np.testing.assert_array_equal(after[path], value, err_msg=path)
    changed = [not np.array_equal(after[it], before[it]) for it in before if it.startswith(trained)]
    assert any(changed)
    # A run of one's own frozen run starts too: Keras's order of the weights does not matter.
    start(recipe, data_dir, tmp_path / "thawed", init_from=tuned.path)


def test_freezing_new_blocks_is_refused(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    recipe = dataclasses.replace(QUICK, freeze_discriminator_blocks=1)
    with pytest.raises(UsageError, match="--freeze_discriminator_blocks: must be 0 without --init"):
        start(recipe, data_dir, tmp_path / "run")
    recipe = dataclasses.replace(TINY["damsm"], freeze_discriminator_blocks=1)
    with pytest.raises(UsageError, match="must be 0 for damsm, which is without a discriminator"):
        start(recipe, data_dir, tmp_path / "run")
    assert not (tmp_path / "run").exists()
