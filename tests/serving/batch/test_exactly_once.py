"""What is left after a run that was stopped anywhere, and a run after it."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from serving.batch import storage
from serving.program import UsageError
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, tree, write_captions

ROOT = pathlib.Path(__file__).parents[3]
CAPTIONS = [f"caption {number}" for number in range(14)]
CAPTIONS[9] = painted.REFUSED
# Files that take their place in a whole run: captions twice, job.json, blocks, shards, three at the
# end, and pictures or records.
RENAMES = {"png": 2 + 1 + 5 + 3 + 3 + 13, "tfrecord": 2 + 1 + 5 + 3 + 3 + 5 + 3}


class Stopped(BaseException):
    """Nothing of the job catches it."""


@pytest.fixture
def captions(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_captions(tmp_path / "captions.txt", CAPTIONS)


@pytest.fixture(scope="module", params=["png", "tfrecord"])
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole(
    form: str, painted_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The outputs of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    captions = write_captions(folder / "captions.txt", CAPTIONS)
    generate(painted_dir, captions, folder / "out", shards=3, format=form)
    return tree(folder / "out")


def stop_at(monkeypatch: pytest.MonkeyPatch, renames: int, *, before: bool) -> None:
    """Lets so many files take their place, and stops before or after the next one does."""
    rename, count = storage.rename, 0

    def counted(path: str, new_path: str) -> None:
        nonlocal count
        count += 1
        if count > renames and before:
            raise Stopped("Stopped")
        rename(path, new_path)
        if count > renames:
            raise Stopped("Stopped")

    monkeypatch.setattr(storage, "rename", counted)


@pytest.mark.parametrize("resume", [False, True])
def test_whenever_it_was_stopped_the_next_run_leaves_the_same(
    form: str,
    whole: dict[str, bytes],
    resume: bool,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    for renames in {*range(0, RENAMES[form], 3), *range(RENAMES[form] - 4, RENAMES[form])}:
        folder = tmp_path / f"out{renames}"
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, renames, before=bool(renames % 2))
            with pytest.raises(BaseException, match="Stopped"):
                generate(painted_dir, captions, folder, shards=3, format=form)
        generate(painted_dir, captions, folder, shards=3, format=form, resume=resume)
        assert tree(folder) == whole


def test_a_killed_process_is_no_other_case(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    many = {"images_per_caption": 200, "shards": 10}
    generate(painted_dir, captions, tmp_path / "whole", **many)
    folder = tmp_path / "out"
    command = [
        sys.executable,
        *("-m", "tools.generate", f"--export_dir={painted_dir}", f"--captions={captions}"),
        *(f"--output_dir={folder}", "--batch_size=3", "--images_per_caption=200", "--shards=10"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (folder / ".work" / "finished").exists() and process.poll() is None:
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "_SUCCESS").exists()
    generate(painted_dir, captions, folder, resume=True, **many)
    assert tree(folder) == tree(tmp_path / "whole")


def test_resume_leaves_finished_shards_as_they_are(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_at(patch, 12, before=True)
        with pytest.raises(BaseException, match="Stopped"):
            generate(painted_dir, captions, folder, shards=3)
    (finished,) = (folder / ".work" / "finished").iterdir()
    shard = folder / f"shard-{finished.stem}-of-00003"
    before = {path: path.stat().st_mtime_ns for path in shard.iterdir()}
    generate(painted_dir, captions, folder, shards=3, resume=True)
    assert {path: path.stat().st_mtime_ns for path in shard.iterdir()} == before
    generate(painted_dir, captions, folder, shards=3, resume=True)  # There is nothing to do.
    assert {path: path.stat().st_mtime_ns for path in shard.iterdir()} == before
    generate(painted_dir, captions, folder, shards=3)
    assert not {path.stat().st_mtime_ns for path in shard.iterdir()} & set(before.values())


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"truncation": 0.5}, "truncation"),
        ({"images_per_caption": 2, "batch_size": 2}, "images_per_caption, batch_size"),
        ({"shards": 3, "format": "tfrecord"}, "format, shards"),
    ],
)
def test_a_folder_of_another_job_is_left_alone(
    resume: bool,
    changed: dict,
    named: str,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "out"
    generate(painted_dir, captions, folder)
    before = tree(folder)
    rule = f"^--output_dir: must be absent or empty, .* with other {named}$"
    with pytest.raises(UsageError, match=rule):
        generate(painted_dir, captions, folder, resume=resume, **changed)
    assert tree(folder) == before


def test_other_captions_or_weights_are_another_job(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "out"
    generate(painted_dir, captions, folder)
    before = tree(folder)
    others = write_captions(tmp_path / "others.txt", [*CAPTIONS[1:], CAPTIONS[0]])
    with pytest.raises(UsageError, match=r"with other captions$"):
        generate(painted_dir, others, folder, resume=True)
    painted.write(tmp_path / "model", version=2)
    with pytest.raises(UsageError, match=r"with other model$"):
        generate(tmp_path / "model", captions, folder, resume=True)
    assert tree(folder) == before
    # The same captions in another file, though, are the same job.
    generate(painted_dir, captions.rename(tmp_path / "renamed.txt"), folder, resume=True)
    assert tree(folder) == before


def test_a_folder_of_something_else_is_left_alone(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"^--output_dir: must be absent or empty"):
        generate(painted_dir, captions, folder)
    assert tree(folder) == {"thesis.txt": b"mine"}
