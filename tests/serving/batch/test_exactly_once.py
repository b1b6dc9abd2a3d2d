"""Outputs after a run that stops at any file, and after a resumed run."""

import os
import pathlib
import shutil
import signal

import pytest

from serving.batch import storage
from serving.program import UsageError
from tests import programs
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, tree, write_captions

CAPTIONS = [f"caption {number}" for number in range(14)]
CAPTIONS[9] = painted.REFUSED
# Renames of a complete run: captions twice, job.json, blocks, shards, three files at the end, and
# pictures or records.
RENAMES = {"png": 2 + 1 + 5 + 3 + 3 + 13, "tfrecord": 2 + 1 + 5 + 3 + 3 + 5 + 3}


class Stopped(BaseException):
    """No code of the job catches this exception."""


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "captions.txt", CAPTIONS)


@pytest.fixture(scope="module")
def whole(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """Folders of complete runs, one per format."""
    folder = tmp_path_factory.mktemp("whole")
    for form in RENAMES:
        generate(painted_dir, captions, folder / form, shards=3, format=form)
    return folder


def stop_at(monkeypatch: pytest.MonkeyPatch, renames: int, *, before: bool) -> None:
    """Allows a number of renames, and stops before or after the next one."""
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


@pytest.mark.parametrize("form", RENAMES)
def test_job_stopped_at_any_moment_writes_the_same_files_on_the_next_run(
    form: str,
    whole: pathlib.Path,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    last, expected = RENAMES[form], tree(whole / form)
    # The last five: a shard's two files, or pictures and a shard, and the three at the end.
    for renames in {*range(0, last, 6), *range(last - 5, last)}:
        folder = tmp_path / f"out{renames}"
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, renames, before=not renames % 2)
            with pytest.raises(BaseException, match="Stopped"):
                generate(painted_dir, captions, folder, shards=3, format=form)
        resume = bool(renames % 4)
        generate(painted_dir, captions, folder, shards=3, format=form, resume=resume)
        assert tree(folder) == expected


def test_job_of_a_killed_process_writes_the_same_files_on_the_next_run(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    many = {"images_per_caption": 60, "shards": 10}
    generate(painted_dir, captions, tmp_path / "whole", **many)
    folder = tmp_path / "out"
    options = [f"--export_dir={painted_dir}", f"--captions={captions}", f"--output_dir={folder}"]
    options += ["--batch_size=3", "--images_per_caption=60", "--shards=10"]
    with programs.start("tools.generate", *options) as process:
        while not (folder / ".work" / "finished").exists():
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    assert not (folder / "_SUCCESS").exists()
    generate(painted_dir, captions, folder, resume=True, **many)
    assert tree(folder) == tree(tmp_path / "whole")


def test_resume_keeps_finished_shards(
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
    generate(painted_dir, captions, folder, shards=3, resume=True)  # Nothing is left to do.
    assert {path: path.stat().st_mtime_ns for path in shard.iterdir()} == before
    generate(painted_dir, captions, folder, shards=3)
    assert not {path.stat().st_mtime_ns for path in shard.iterdir()} & set(before.values())


@pytest.mark.parametrize("resume", [False, True])
def test_folder_of_another_job_is_refused_and_not_changed(
    resume: bool,
    whole: pathlib.Path,
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    folder = whole / "png"
    before = tree(folder)
    others = write_captions(tmp_path / "others.txt", [*CAPTIONS[1:], CAPTIONS[0]])
    model = shutil.copytree(painted_dir, tmp_path / "model")
    with (model / "1" / "variables" / "variables.index").open("ab") as weights:
        weights.write(b"other")
    for source, captions_file, changed, named in (
        (painted_dir, captions, {"seed": 1}, "seed"),
        (painted_dir, captions, {"truncation": 0.5}, "truncation"),
        (
            *(painted_dir, captions),
            *({"images_per_caption": 2, "batch_size": 2}, "images_per_caption, batch_size"),
        ),
        (painted_dir, captions, {"shards": 2, "format": "tfrecord"}, "format, shards"),
        (painted_dir, others, {}, "captions"),
        (model, captions, {}, "model"),
    ):
        rule = f"^--output_dir: must be absent or empty, .* with other {named}$"
        with pytest.raises(UsageError, match=rule):
            generate(source, captions_file, folder, resume=resume, **{"shards": 3} | changed)
        assert tree(folder) == before


def test_the_same_captions_in_another_file_are_the_same_job(
    whole: pathlib.Path, painted_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    before = tree(whole / "png")
    renamed = write_captions(tmp_path / "renamed.txt", CAPTIONS)
    generate(painted_dir, renamed, whole / "png", shards=3, resume=True)
    assert tree(whole / "png") == before


def test_folder_with_other_files_is_refused_and_not_changed(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"^--output_dir: must be absent or empty"):
        generate(painted_dir, captions, folder)
    assert tree(folder) == {"thesis.txt": b"mine"}
