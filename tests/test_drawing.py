"""tfgan2.load: the pictures of a run, of its export and of a server are the same."""

import io
import pathlib
import shutil

import numpy as np
import pytest
import tf_keras as keras
from PIL import Image

import tfgan2
from serving.client import Client
from tests.serving import servers
from tests.tiny import TINY
from tfgan2.drawing import BATCH_ROWS, Model
from tfgan2.export import saved_model
from tfgan2.pictures import Picture, Pictures
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.sampling import load_sampler, make_tokenizer
from tfgan2.text.tokenizers import write_vocabulary

CAPTION = "the digit 3"


def new_run(system: str, folder: pathlib.Path) -> pathlib.Path:
    """Writes a run with new weights, and its export beside the run."""
    run = RunDirectory(folder / "run")
    write_vocabulary(run.vocabulary_file, {str(digit): 1 for digit in range(10)})
    recipe = TINY[system]
    data = {"channels": 1, "checksum": None, "example_captions": ["7"]}
    run.write_config(Config(recipe=recipe, data=data, versions={}, text_encoder=None))
    tokenizer = make_tokenizer(run, recipe)
    keras.utils.set_random_seed(1)
    gan = recipes.build_model(
        recipe,
        image_channels=1,
        vocabulary_size=0 if tokenizer is None else tokenizer.vocabulary_size,
        dtype="float32",
    )
    # Initial images are nearly equal; larger weights make them different.
    for weight in gan.average_generator.trainable_weights:
        weight.assign(weight * 3.0)
    Checkpoints(gan, run.checkpoints, keep=1).save()
    sampler, _, _ = load_sampler(run)
    saved_model.export(sampler, folder / "export", captions=["7"], card={})
    return folder


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return new_run("auto_write", tmp_path_factory.mktemp("unconditional"))


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return new_run("img_txt", tmp_path_factory.mktemp("joint"))


@pytest.fixture(scope="module")
def model(export_dir: pathlib.Path) -> Model:
    return tfgan2.load(export_dir)


def pixels(picture: Picture) -> np.ndarray:
    return picture.array().astype(int)


def assert_same(one: Pictures, other: Pictures) -> None:
    """Compares pictures of different graphs: a pixel may differ by 1 of 255."""
    for left, right in zip(one, other, strict=True):
        assert np.abs(pixels(left) - pixels(right)).max() <= 1
        described = (left.seed, left.unknown_words, left.text, left.caption)
        assert described == (right.seed, right.unknown_words, right.text, right.caption)


def test_run_export_version_and_server_draw_the_same_pictures(
    run: RunDirectory, export_dir: pathlib.Path, model: Model
) -> None:
    caption, seeds = "a purple seven", [*range(3), 2**40]
    drawn = model.draw(caption, seeds=seeds, truncation=0.5)
    assert [(it.caption, it.seed, it.unknown_words) for it in drawn] == [
        (caption, seed, 1) for seed in seeds
    ]
    assert drawn == tfgan2.load(export_dir / "1").draw(caption, seeds=seeds, truncation=0.5)
    assert_same(drawn, tfgan2.load(str(run.path)).draw(caption, seeds=seeds, truncation=0.5))
    with (
        servers.serve({"tiny": export_dir}) as served,
        Client(served.address, model="tiny") as client,
    ):
        served_pictures = client.draw(caption, seeds=seeds, truncation=0.5)
    assert_same(drawn, served_pictures)
    assert drawn[0].png != model.draw(caption, seeds=[0])[0].png


def test_newest_version_of_an_export_is_loaded(
    export_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for version in ("9", "10"):
        (tmp_path / version).symlink_to(export_dir / "1")
    assert tfgan2.load(tmp_path).path == tmp_path / "10"


def test_unconditional_model_draws_seeds(unconditional: pathlib.Path) -> None:
    run, export = (tfgan2.load(unconditional / name) for name in ("run", "export"))
    drawn = export.draw(seeds=range(3))
    assert_same(drawn, run.draw(seeds=range(3)))
    assert [(it.caption, it.seed, it.unknown_words) for it in drawn] == [
        (None, seed, 0) for seed in range(3)
    ]
    (fresh,), (another,) = run.draw(), run.draw()
    assert fresh.seed != another.seed
    assert run.draw(seeds=[fresh.seed]) == [fresh]
    for model in (run, export):
        with pytest.raises(ValueError, match="captions: must be left out for an unconditional"):
            model.draw(CAPTION)


def test_joint_model_writes_texts(joint: pathlib.Path) -> None:
    run, export = (tfgan2.load(joint / name) for name in ("run", "export"))
    drawn = export.draw(["", "7", "a 7"], seeds=[5, 5, 5])
    assert_same(drawn, run.draw(["", "7", "a 7"], seeds=[5, 5, 5]))
    assert [(it.text, it.unknown_words) for it in drawn[1:]] == [("7", 0), ("7", 1)]
    assert drawn[0].text is not None


def test_a_caption_without_seeds_gets_a_new_seed(model: Model) -> None:
    (alone,) = model.draw(CAPTION)
    first, second = model.draw([CAPTION, CAPTION])
    assert len({alone.seed, first.seed, second.seed}) == 3
    assert all(0 <= picture.seed < 2**31 for picture in (alone, first, second))
    assert_same(model.draw(CAPTION, seeds=[alone.seed]), Pictures([alone]))


def test_many_pictures_are_drawn_in_batches_with_the_same_result(model: Model) -> None:
    captions = ["", "???", "\udcff", *[CAPTION] * BATCH_ROWS]
    seeds = np.arange(len(captions))
    drawn = model.draw(captions, seeds=seeds)
    assert [picture.caption for picture in drawn] == captions
    assert_same(drawn[-2:], model.draw(CAPTION, seeds=seeds[-2:]))
    assert model.draw([], seeds=[]) == []


def test_invalid_arguments_are_named(model: Model) -> None:
    for arguments, rule in (
        ({"captions": None}, "captions: must be given for a model that reads captions, got None"),
        ({"captions": ["a", "b"], "seeds": [1]}, "seeds: must be 2, one per caption of the list"),
        ({"captions": "a", "seeds": [2**63]}, r"seeds: must be from -2\^63"),
        ({"captions": "a", "truncation": 1.5}, "truncation: must be from 0 to 1, got 1.5"),
        ({"captions": "a", "truncation": float("nan")}, "truncation: must be from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=f"^{rule}"):
            model.draw(**arguments)


def test_a_place_without_a_model_is_refused(
    export_dir: pathlib.Path, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    rule = "path: must be a run directory, an export or a version of an export"
    for path in (tmp_path, tmp_path / "none", data_dir):
        with pytest.raises(UsageError, match=rule):
            tfgan2.load(path)
    shutil.copytree(export_dir / "1", tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(UsageError, match="1: must be a version as tools"):
        tfgan2.load(tmp_path)


def test_a_notebook_shows_pictures_and_sheets(model: Model, tmp_path: pathlib.Path) -> None:
    drawn = model.draw(CAPTION, seeds=range(10))
    assert drawn[0]._repr_png_() == drawn[0].png
    sizes = []
    for savable, options in (
        (drawn, {}),
        (drawn, {"columns": 5}),
        (drawn[2:4], {}),
        (drawn[0], {}),
    ):
        savable.save(tmp_path / "new" / "picture.png", **options)
        content = (tmp_path / "new" / "picture.png").read_bytes()
        assert options or content == savable._repr_png_()
        with Image.open(io.BytesIO(content)) as file:
            sizes.append(file.size)
    assert sizes == [(8 * 32, 2 * 32), (5 * 32, 2 * 32), (2 * 32, 32), (32, 32)]
    assert Pictures()._repr_png_() is None
    assert "png" not in repr(drawn)
    sheet = np.asarray(drawn.image(columns=4))
    np.testing.assert_array_equal(sheet[32:64, 32:64], drawn[5].array()[:, :, 0])
    assert (sheet[64:, 64:] == 255).all()
    for savable in (drawn, drawn[0]):
        with pytest.raises(ValueError, match=r"^path: must end with \.png"):
            savable.save(tmp_path / "picture.jpg")
    for columns, pictures in ((0, drawn), (1, Pictures())):
        with pytest.raises(ValueError, match="must be at least"):
            pictures.image(columns=columns)
