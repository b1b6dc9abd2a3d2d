"""Checkpoints: earlier ones survive every failure of the newest."""

import pathlib
import resource

import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.program import UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs.checkpoint import Checkpoints


class TinyModel(keras.Model):
    """A model with a step and weights, as checkpoints need it."""

    def __init__(self, *, size: int = 1000) -> None:
        super().__init__()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.kernel = tf.Variable(tf.zeros([size]))

    def at(self, step: int) -> "TinyModel":
        self.step.assign(step)
        self.kernel.assign(tf.fill(self.kernel.shape, float(step)))
        return self


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Checkpoints of steps 2, 3 and 4; that of step 1 is removed."""
    model = TinyModel()
    checkpoints = Checkpoints(model, tmp_path / "checkpoints", keep=3)
    for step in (1, 2, 3, 4):
        model.at(step)
        checkpoints.save()
    return tmp_path / "checkpoints"


def steps(folder: pathlib.Path) -> list[int]:
    return [int(path.rpartition("-")[2]) for path in checkpoint.find(folder)]


def test_newest_checkpoints_are_kept_and_the_last_is_restored(folder: pathlib.Path) -> None:
    assert steps(folder) == [4, 3, 2]
    model = TinyModel()
    assert Checkpoints(model, folder, keep=3).restore() == str(folder / "ckpt-4")
    assert float(model.kernel[7]) == 4.0
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-4")


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["emptied", "cut", "changed", "missing"])
def test_damaged_newest_checkpoint_falls_back_to_the_previous_one(
    suffix: str, damage: str, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / f"ckpt-4.{suffix}"
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        content[len(content) // 3] ^= 255
        path.write_bytes(content)
    else:
        path.write_bytes(content[: 0 if damage == "emptied" else len(content) // 2])
    for restore in (
        lambda model: Checkpoints(model, folder, keep=3).restore(),
        lambda model: Checkpoints(model, folder, keep=3).restore_for_sampling(),
    ):
        model = TinyModel()
        assert restore(model) == str(folder / "ckpt-3")
        assert int(model.step) == 3
        assert set(model.kernel.numpy()) == {3.0}
        warning = capsys.readouterr().err
        if (suffix, damage) != ("index", "missing"):  # Without an index there is no checkpoint.
            assert warning.startswith(f"warning: {folder}/ckpt-4 cannot be read")
            assert warning.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"", b"\xff\0{", b'model_checkpoint_path: "ckpt-'])
def test_missing_or_damaged_list_of_checkpoints_is_written_again(
    content: bytes | None, folder: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder / checkpoint.INDEX_NAME
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    model = TinyModel()
    checkpoints = Checkpoints(model, folder, keep=3)
    assert checkpoints.restore() == str(folder / "ckpt-4")
    model.at(5)
    checkpoints.save()
    assert steps(folder) == [5, 4, 3]
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-5")
    assert capfd.readouterr().err == ""


def test_checkpoints_of_other_sizes_are_refused_at_once(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"ckpt-4: must be a checkpoint of this recipe"):
        Checkpoints(TinyModel(size=10), folder, keep=3).restore()
    assert capsys.readouterr().err == ""


def test_only_damaged_checkpoints_are_an_error(folder: pathlib.Path) -> None:
    for path in folder.glob("*.index"):
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="--run_dir: must hold a checkpoint that can be read"):
        Checkpoints(TinyModel(), folder, keep=3).restore()


def test_checkpoints_of_another_model_are_refused(folder: pathlib.Path) -> None:
    model = TinyModel()
    model.more = tf.Variable(1.0)
    with pytest.raises(UsageError, match=r"ckpt-4: must be a checkpoint of this recipe"):
        Checkpoints(model, folder, keep=3).restore()


def test_without_a_checkpoint_training_starts_and_sampling_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    checkpoints = Checkpoints(TinyModel(), tmp_path, keep=3)
    assert checkpoints.restore() is None
    with pytest.raises(UsageError, match="--run_dir: must hold a checkpoint, got"):
        checkpoints.restore_for_sampling()


def test_full_disk_is_one_error_and_keeps_earlier_checkpoints(folder: pathlib.Path) -> None:
    model = TinyModel(size=100_000)
    checkpoints = Checkpoints(model, folder, keep=3)
    model.at(5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(UsageError, match="--run_dir: must have room for the checkpoint of st"):
            checkpoints.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert steps(folder) == [4, 3, 2]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["checkpoint"]
        + [f"ckpt-{n}.{end}" for n in (2, 3, 4) for end in ("index", "data-00000-of-00001")]
    )
    small = TinyModel()
    assert Checkpoints(small, folder, keep=3).restore() == str(folder / "ckpt-4")
    checkpoints.save()
    assert steps(folder) == [5, 4, 3]


def test_files_of_a_killed_save_are_removed(folder: pathlib.Path) -> None:
    (folder / "ckpt-5_temp").mkdir()
    (folder / "ckpt-5_temp/part-00000-of-00001.data-00000-of-00001").touch()
    (folder / "ckpt-5.data-00000-of-00001").touch()
    (folder / "vocabulary.txt").touch()
    Checkpoints(TinyModel(), folder, keep=3).remove_unfinished()
    assert steps(folder) == [4, 3, 2]
    assert not list(folder.glob("ckpt-5*"))
    assert (folder / "vocabulary.txt").exists()
