"""Runs of version 0.2.0 resume with later versions and draw the same images.

written_by_0_2_0.tar.xz holds a data set, two steps of a tiny DF-GAN and of auto-write with a
discriminator of 4 and 8 channels, and two images of each, drawn by version 0.2.0.
"""

import json
import pathlib
import tarfile

import numpy as np
import pytest

from tests.contract.runs import draw, eagerly, train_to, without_sample_grids
from tfgan2.export import saved_model
from tfgan2.models.auto_write import networks as auto_write
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler

ARCHIVE = pathlib.Path(__file__).parent / "written_by_0_2_0.tar.xz"


@pytest.fixture
def written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_CHANNELS", (4, 8))
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_UNITS", 4)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.mark.parametrize("model", ["df_gan", "auto_write"])
def test_earlier_run_draws_the_same_images_is_exported_and_resumes(
    model: str, written: pathlib.Path
) -> None:
    run = RunDirectory.existing(written / model)
    sampler, config, checkpoint = load_sampler(run)
    assert checkpoint.endswith("ckpt-2")
    images = draw(sampler, ["the digit 3", "a handwritten seven"], [5, 6], [1.0, 1.0])
    with np.load(written / "pictures.npz") as pictures:
        assert np.abs(images - pictures[model].astype(int)).max() <= 1
    captions = config.data["example_captions"]
    version = saved_model.export(sampler, written / "export", captions=captions, card={})
    assert (version / "saved_model.pb").is_file()

    with eagerly(), without_sample_grids():
        outcome = train_to(3, config.recipe, written / "data", run.path)
    assert outcome.step == 3
    assert outcome.checkpoint == str(run.checkpoints / "ckpt-3")


@pytest.mark.parametrize("model", ["df_gan", "auto_write"])
def test_earlier_run_with_options_of_another_system_resumes_but_a_new_one_is_refused(
    model: str, written: pathlib.Path
) -> None:
    run = RunDirectory.existing(written / model)
    fields = json.loads(run.config_file.read_text())
    fields["recipe"] |= {"text_size": 7, "stage": 2, "no_ema": False}
    run.config_file.write_text(json.dumps(fields))
    sampler, config, _ = load_sampler(run)
    assert (config.recipe.text_size, config.recipe.stage) == (7, 2)
    images = draw(sampler, ["the digit 3", "a handwritten seven"], [5, 6], [1.0, 1.0])
    with np.load(written / "pictures.npz") as pictures:
        assert np.abs(images - pictures[model].astype(int)).max() <= 1
    assert train_to(2, config.recipe, written / "data", run.path).step == 2
    with pytest.raises(UsageError, match=r"which has no such option, got [27]$"):
        train_to(2, config.recipe, written / "data", written / "new")
    assert not (written / "new").exists()
