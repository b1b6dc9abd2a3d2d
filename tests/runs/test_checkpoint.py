"""Checkpoints: nothing is lost, whatever happens to the newest."""

import pathlib
import resource

import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.program import UsageError
from tfgan2.runs import checkpoint
from tfgan2.runs.checkpoint import Checkpoints


class Game(keras.Model):
    """Has a step and weights, which is all that checkpoints ask for."""

    def __init__(self, *, size: int = 1000) -> None:
        super().__init__()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.kernel = tf.Variable(tf.zeros([size]))

    def at(self, step: int) -> "Game":
        self.step.assign(step)
        self.kernel.assign(tf.fill(self.kernel.shape, float(step)))
        return self


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Checkpoints of the steps 1 to 4, of which 3 are kept."""
    game = Game()
    checkpoints = Checkpoints(game, tmp_path / "checkpoints", keep=3)
    for step in (1, 2, 3, 4):
        game.at(step)
        checkpoints.save()
    return tmp_path / "checkpoints"


def steps(folder: pathlib.Path) -> list[int]:
    return [int(path.rpartition("-")[2]) for path in checkpoint.find(folder)]


def test_the_newest_are_kept_and_the_newest_of_all_is_restored(folder: pathlib.Path) -> None:
    assert steps(folder) == [4, 3, 2]
    game = Game()
    assert Checkpoints(game, folder, keep=3).restore() == str(folder / "ckpt-4")
    assert float(game.kernel[7]) == 4.0
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-4")


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["emptied", "cut", "changed", "missing"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(
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
        lambda game: Checkpoints(game, folder, keep=3).restore(),
        lambda game: Checkpoints(game, folder, keep=3).restore_for_sampling(),
    ):
        game = Game()
        assert restore(game) == str(folder / "ckpt-3")
        assert int(game.step) == 3
        assert set(game.kernel.numpy()) == {3.0}
        said = capsys.readouterr().err
        if (suffix, damage) != ("index", "missing"):  # Then there is no such checkpoint.
            assert said.startswith(f"warning: {folder}/ckpt-4 cannot be read")
            assert said.count("\n") == 1


def test_only_damaged_checkpoints_are_an_error(folder: pathlib.Path) -> None:
    for path in folder.glob("*.index"):
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="--run_dir: must hold a checkpoint that can be read"):
        Checkpoints(Game(), folder, keep=3).restore()


def test_checkpoints_of_another_game_are_refused(folder: pathlib.Path) -> None:
    game = Game()
    game.more = tf.Variable(1.0)
    with pytest.raises(UsageError, match=r"ckpt-4: must be a checkpoint of this recipe"):
        Checkpoints(game, folder, keep=3).restore()


def test_no_checkpoint_is_a_start_or_nothing_to_sample(tmp_path: pathlib.Path) -> None:
    checkpoints = Checkpoints(Game(), tmp_path, keep=3)
    assert checkpoints.restore() is None
    with pytest.raises(UsageError, match="--run_dir: must hold a checkpoint, got"):
        checkpoints.restore_for_sampling()


def test_a_full_disk_is_one_line_and_loses_nothing(folder: pathlib.Path) -> None:
    game = Game(size=100_000)
    checkpoints = Checkpoints(game, folder, keep=3)
    game.at(5)
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
    small = Game()
    assert Checkpoints(small, folder, keep=3).restore() == str(folder / "ckpt-4")
    checkpoints.save()
    assert steps(folder) == [5, 4, 3]


def test_what_a_killed_save_left_is_removed(folder: pathlib.Path) -> None:
    (folder / "ckpt-5_temp").mkdir()
    (folder / "ckpt-5_temp/part-00000-of-00001.data-00000-of-00001").touch()
    (folder / "ckpt-5.data-00000-of-00001").touch()
    (folder / "vocabulary.txt").touch()
    Checkpoints(Game(), folder, keep=3).remove_unfinished()
    assert steps(folder) == [4, 3, 2]
    assert not list(folder.glob("ckpt-5*"))
    assert (folder / "vocabulary.txt").exists()
