"""Prepare: complete or no data set, equal files for any number of processes, reported rejects."""

import collections
import json
import os
import pathlib
import signal

import numpy as np
import pytest
import tensorflow as tf

from tests import programs
from tests.data.drawn import draw, item
from tfgan2 import locks
from tfgan2.data import preparing, records
from tfgan2.data.engines import Pool
from tfgan2.data.sources import Collection, Reject
from tfgan2.program import UsageError


def collection(train: range, test: range) -> Collection:
    return Collection(
        splits={"train": [item(n) for n in train], "test": [item(n) for n in test]},
        label_names=(),
        licence="none",
        channels=3,
        rejects=(Reject("x.png", "image has no caption"),),
    )


def prepare(items: Collection, target: pathlib.Path, **options: object) -> preparing.Prepared:
    given = {"source": "folder", "image_size": 8, "count_words": collections.Counter, **options}
    return preparing.prepare(items, output_dir=target, **given)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_do_not_depend_on_the_number_of_processes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_SHARD_BYTES", 20_000)
    monkeypatch.setattr(preparing, "ITEMS_PER_PART", 64)
    items = collection(range(300), range(300, 340))
    prepare(items, tmp_path / "one", engine=Pool(1))
    prepare(items, tmp_path / "three", engine=Pool(3))
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    manifest = records.verify(tmp_path / "one")
    reader = records.RecordReader(tmp_path / "one", manifest.splits["train"])
    keys = [records.parse(reader[at])["key"].numpy().decode() for at in range(len(reader))]
    assert keys == [f"{number}.png" for number in range(300) if number % 10 != 7]
    names = sorted(path.name for path in (tmp_path / "one").glob("*.tfrecord"))
    assert names[0] == "test-00000-of-00001.tfrecord"
    assert names[-1].startswith(f"train-{len(names) - 2:05d}-of-{len(names) - 1:05d}")
    assert len(names) > 3
    assert all((tmp_path / "one" / name).stat().st_size < 20_500 for name in names)


def test_records_contain_the_items(tmp_path: pathlib.Path) -> None:
    manifest = prepare(collection(range(5), range(5, 6)), tmp_path / "out").manifest
    reader = records.RecordReader(tmp_path / "out", manifest.splits["train"])
    for number in range(5):
        record = records.parse(reader[number])
        np.testing.assert_array_equal(tf.io.decode_png(record["image"]), draw(number))
        assert record["captions"].numpy().tolist() == [f"number {number}".encode()]
        assert record["label"].numpy() == number
        assert record["key"].numpy() == f"{number}.png".encode()


def test_rejects_are_written_with_their_reasons(tmp_path: pathlib.Path) -> None:
    prepared = prepare(collection(range(20), range(20, 30)), tmp_path / "out")
    text = (tmp_path / "out/rejects.jsonl").read_text()
    rejects = [json.loads(line) for line in text.splitlines()]
    assert rejects == [
        {"key": "x.png", "reason": "image has no caption"},
        *({"key": f"{n}.png", "reason": "image is broken"} for n in (7, 17, 27)),
    ]
    assert prepared.manifest.rejects == 4
    assert prepared.manifest.records("train") == 18
    assert prepared.reasons == {"image is broken": 3, "image has no caption": 1}


def test_too_many_rejects_fail_and_leave_no_files(tmp_path: pathlib.Path) -> None:
    items = collection(range(20), range(20, 30))
    with pytest.raises(
        UsageError, match=r"--max_rejects: must be at least the 4 rejects \(x.png: .*got 3"
    ):
        prepare(items, tmp_path / "out", max_rejects=3)
    assert not list(tmp_path.iterdir())
    prepare(items, tmp_path / "out", max_rejects=4)


def test_data_set_without_train_images_fails_with_the_reasons(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match=r"--input_dir: must hold images .*7\.png: image is brok"):
        prepare(collection(range(7, 8), range(0)), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_dry_run_reports_the_same_and_writes_no_files(tmp_path: pathlib.Path) -> None:
    items = collection(range(20), range(20, 30))
    dry = prepare(items, tmp_path / "out", dry_run=True)
    assert not list(tmp_path.iterdir())
    assert dry == prepare(items, tmp_path / "out")


def test_limit_samples_evenly_from_the_splits() -> None:
    limited = preparing.sample(collection(range(90), range(10)), limit=20)
    assert [len(items) for items in limited.splits.values()] == [18, 2]
    keys = [it.key for it in limited.splits["train"]]
    assert keys[:3] == ["0.png", "5.png", "10.png"]
    assert preparing.sample(collection(range(3), range(1)), limit=9).splits["test"]
    few = preparing.sample(collection(range(90), range(10)), limit=1)
    assert [len(items) for items in few.splits.values()] == [1, 0]


def test_overlap_of_train_and_test_is_counted_and_reported(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = prepare(collection(range(10), range(8, 13)), tmp_path / "out").manifest
    assert manifest.overlap == {"images": 2, "captions": 2}
    assert "warning: 2 images and 2 captions of the test split" in capsys.readouterr().err
    manifest = prepare(collection(range(5), range(5, 9)), tmp_path / "out").manifest
    assert manifest.overlap == {"images": 0, "captions": 0}
    assert "warning" not in capsys.readouterr().err


def test_only_the_files_of_an_earlier_data_set_are_replaced(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(records, "MAX_SHARD_BYTES", 5_000)
        prepare(collection(range(50), range(0)), target)
    assert len(list(target.iterdir())) > 3
    mine = {"notes.txt": b"mine", "train-00000-of-00009.tfrecord": b"mine too"}
    for name, content in mine.items():
        (target / name).write_bytes(content)
    manifest = prepare(collection(range(6), range(0)), target).manifest
    assert records.load_manifest(target) == manifest
    assert mine.items() <= contents(target).items()
    own = {shard.file for split in manifest.splits.values() for shard in split}
    assert set(contents(target)) == {*mine, *own, "dataset.json", "rejects.jsonl"}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ({"thesis.txt": ""}, "--output_dir: must be empty, absent or an earlier data set"),
        ({"dataset.json": "{}"}, "dataset.json: must be the manifest of a data set"),
        (
            {"dataset.json": '{"splits": {"train": [{"file": "../thesis.txt"}]}}'},
            r"dataset.json: must name shards of a data set, got \.\./thesis.txt",
        ),
    ],
)
def test_a_folder_with_other_files_is_refused_before_the_work(
    files: dict[str, str], rule: str, tmp_path: pathlib.Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=rule):
        prepare(Collection(splits={}, label_names=(), licence="", channels=3), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_another_file_with_the_name_of_a_shard_is_kept(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "out"
    first = prepare(collection(range(6), range(0)), target).manifest
    other_file = target / "test-00000-of-00001.tfrecord"
    other_file.write_bytes(b"mine")
    with pytest.raises(UsageError, match="--output_dir: must not hold another file with a name"):
        prepare(collection(range(6), range(6, 9)), target)
    assert other_file.read_bytes() == b"mine"
    assert records.load_manifest(target) == first


def test_a_symbolic_link_stays_a_link(tmp_path: pathlib.Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "out").symlink_to("place")
    for count in (5, 6):
        manifest = prepare(collection(range(count), range(0)), tmp_path / "out").manifest
        assert records.load_manifest(tmp_path / "place") == manifest
    assert (tmp_path / "out").is_symlink()


def test_concurrent_prepare_is_refused(tmp_path: pathlib.Path) -> None:
    scratch = tmp_path / "out" / preparing.SCRATCH_NAME
    scratch.mkdir(parents=True)
    (scratch / "rejects.jsonl").touch()
    rule = "must not be written by another process"
    with locks.locked(scratch / "lock", flag="", place=""), pytest.raises(UsageError, match=rule):
        prepare(collection(range(6), range(0)), tmp_path / "out")
    assert (scratch / "rejects.jsonl").exists()
    prepare(collection(range(6), range(0)), tmp_path / "out")
    assert not scratch.exists()


def test_prepare_that_is_killed_while_it_replaces_a_data_set_can_be_repeated(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    for moves in range(3):  # A shard, the rejects, the manifest.
        prepare(collection(range(5), range(5, 6)), target)
        (target / "notes.txt").write_bytes(b"mine")
        with monkeypatch.context() as patch:
            patch.setattr(preparing.shutil, "rmtree", lambda *_, **__: None)
            stop_after(moves, patch)
            with pytest.raises(KeyboardInterrupt):
                prepare(collection(range(6), range(0)), target)
        with pytest.raises(UsageError, match=r"--data_dir: must hold dataset\.json"):
            records.load_manifest(target)
        manifest = prepare(collection(range(7), range(0)), target).manifest
        assert records.verify(target) == manifest
        names = {"notes.txt", "dataset.json", "rejects.jsonl", "train-00000-of-00001.tfrecord"}
        assert set(contents(target)) == names


def stop_after(moves: int, patch: pytest.MonkeyPatch) -> None:
    """Interrupts the replacement of a data set after some moves of new files."""
    rename, left = pathlib.Path.rename, [moves]

    def stopping(path: pathlib.Path, new: pathlib.Path) -> pathlib.Path:
        if new.parent.name == "out":
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        return rename(path, new)

    patch.setattr(pathlib.Path, "rename", stopping)


def test_killed_prepare_leaves_no_data_set_and_the_next_succeeds(
    digits_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    target = tmp_path / "out"
    options = ("--source=digits", f"--input_dir={digits_file.parent}", f"--output_dir={target}")
    with programs.start("tools.prepare", *options, "--workers=2", "--image_size=512") as process:
        blocks = target / preparing.SCRATCH_NAME / preparing.BLOCKS_NAME
        runs = pathlib.Path(f"/proc/{process.pid}")
        while runs.exists() and not any(blocks.glob("*.unfinished")):
            os.sched_yield()
        children = (runs / f"task/{process.pid}/children").read_text()
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60.0) == -signal.SIGKILL
    with pytest.raises(UsageError, match=r"--data_dir: must hold dataset\.json"):
        records.load_manifest(target)
    for child in children.split():
        while pathlib.Path(f"/proc/{child}").exists():
            os.sched_yield()
    assert programs.run("tools.prepare", *options, "--image_size=32").returncode == 0
    assert records.verify(target).records("train") == 140
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def prepared(tmp_path: pathlib.Path) -> pathlib.Path:
    prepare(collection(range(50), range(50, 60)), tmp_path / "out")
    return tmp_path / "out"


def test_verify_names_the_changed_shard(prepared: pathlib.Path) -> None:
    assert records.verify(prepared).records("train") == 45
    path = prepared / "train-00000-of-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    records.load_manifest(prepared)
    with pytest.raises(UsageError, match=r"train-00000-of-00001\.tfrecord: must have the SHA-256"):
        records.verify(prepared)


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_training_refuses_missing_and_truncated_shards(damage: str, prepared: pathlib.Path) -> None:
    path = prepared / "test-00000-of-00001.tfrecord"
    size = path.stat().st_size
    if damage == "missing":
        path.unlink()
    else:
        os.truncate(path, size - 1)
    with pytest.raises(UsageError, match=rf"{path}: must have {size} bytes"):
        records.load_manifest(prepared)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1}'])
def test_invalid_manifest_is_refused(text: str, prepared: pathlib.Path) -> None:
    (prepared / "dataset.json").write_text(text)
    with pytest.raises(UsageError, match=r"dataset\.json: must be (the manifest|of format 2)"):
        records.load_manifest(prepared)
