"""Jobs as a whole: every copy of a caption becomes a picture or an error, once."""

import hashlib
import pathlib
import shutil

import pytest
import tensorflow as tf

from serving.batch import beam_pipeline, block_generator, storage
from serving.batch.job_folder import JobFolder, Summary
from serving.program import UsageError
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, lines, pixels, tree, write_captions
from tests.serving.batch.mapped import SCHEME

CAPTIONS = ["a seven", "the digit 4", "", "a seven", "ein schönes Bild", "8", "nine"]


OPTIONS = {"seed": 5, "images_per_caption": 2, "shards": 2}


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "captions.txt", CAPTIONS)


@pytest.fixture(scope="module")
def job(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pathlib.Path, Summary]:
    """The folder of a job, and its summary."""
    folder = tmp_path_factory.mktemp("job") / "out"
    return folder, generate(painted_dir, captions, folder, **OPTIONS)


def test_a_manifest_lists_every_picture(
    painted_dir: pathlib.Path, job: tuple[pathlib.Path, Summary]
) -> None:
    folder, summary = job
    manifest = lines(folder / "manifest.jsonl")
    generated = tf.saved_model.load(str(painted_dir / "1")).signatures["generate"]
    assert (summary.pictures, summary.errors, summary.with_unknown_words) == (14, 0, 12)
    assert [row["caption"] for row in manifest] == [text for text in CAPTIONS for _ in range(2)]
    assert [row["id"] for row in manifest] == [
        f"{row:09d}-{copy:06d}" for row in range(7) for copy in range(2)
    ]
    for row in manifest:
        drawn = generated(
            caption=tf.constant([row["caption"]] * 3),
            seed=tf.constant([row["seed"]] * 3, tf.int64),
            truncation=tf.zeros([3]),
        )
        assert (folder / row["file"]).read_bytes() == drawn["image_bytes"].numpy()[0]
        assert row["unknown_words"] == len(row["caption"].encode())
        assert list(row) == ["id", "caption", "seed", "file", "offset", "unknown_words"]
    # The same caption and copy give the same picture at any position.
    assert [manifest[0]["seed"], manifest[1]["seed"]] == [manifest[6]["seed"], manifest[7]["seed"]]
    assert {row["file"].partition("/")[0] for row in manifest} == {
        "shard-00000-of-00002",
        "shard-00001-of-00002",
    }
    pictures = {row["file"] for row in manifest}
    others = {"manifest.jsonl", "errors.jsonl", "_SUCCESS", "job.json"}
    assert set(tree(folder)) == pictures | others
    assert (folder / "errors.jsonl").read_bytes() == b""


def test_the_seed_is_as_documented(job: tuple[pathlib.Path, Summary]) -> None:
    text = "ein schönes Bild".encode()
    digest = hashlib.sha256(bytes([0] * 7 + [5]) + text + bytes([0] * 7 + [1])).digest()
    seeds = {row["id"]: row["seed"] for row in lines(job[0] / "manifest.jsonl")}
    assert seeds["000000004-000001"] == int(f"{int.from_bytes(digest, 'big'):0256b}"[:31], 2)


def test_records_hold_the_same_pictures(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    job: tuple[pathlib.Path, Summary],
    tmp_path: pathlib.Path,
) -> None:
    generate(painted_dir, captions, tmp_path, format="tfrecord", **OPTIONS)
    files = [str(tmp_path / f"shard-0000{n}-of-00002.tfrecord") for n in range(2)]
    records = [record.numpy() for record in tf.data.TFRecordDataset(files)]
    manifest, png_rows = lines(tmp_path / "manifest.jsonl"), lines(job[0] / "manifest.jsonl")
    for record, row, png_row in zip(records, manifest, png_rows, strict=True):
        feature = tf.train.Example.FromString(record).features.feature
        png = (job[0] / png_row["file"]).read_bytes()
        assert feature["image"].bytes_list.value[0] == png
        assert feature["id"].bytes_list.value[0].decode() == row["id"]
        assert feature["caption"].bytes_list.value[0].decode() == row["caption"]
        assert feature["seed"].int64_list.value[0] == row["seed"] == png_row["seed"]
        assert feature["unknown_words"].int64_list.value[0] == row["unknown_words"]
        assert (tmp_path / row["file"]).read_bytes()[row["offset"] + 12 :].startswith(record)


def test_always_as_many_rows_are_drawn_at_a_time(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(painted_dir, captions, tmp_path / "out", batch_size=5, shards=2)
    drawn = [png for name, png in tree(tmp_path / "out").items() if name.endswith(".png")]
    assert [int(pixels(png)[0, 2]) for png in drawn] == [5] * len(CAPTIONS)


def test_shards_and_workers_change_no_picture(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    job: tuple[pathlib.Path, Summary],
    tmp_path: pathlib.Path,
) -> None:
    threads = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    generate(painted_dir, captions, tmp_path / "one", **OPTIONS | {"shards": 1})
    generate(painted_dir, captions, tmp_path / "threads", beam_options=threads, **OPTIONS)
    assert tree(job[0]) == tree(tmp_path / "threads")
    folders = (tmp_path / "one", job[0])
    for rows in zip(*(lines(folder / "manifest.jsonl") for folder in folders), strict=True):
        one, many = (
            row | {"file": (folder / row["file"]).read_bytes()}
            for row, folder in zip(rows, folders, strict=True)
        )
        assert one == many


def test_bad_row_of_a_block_fails_separately(
    painted_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a", painted.REFUSED, "b", "c"])
    summary = generate(painted_dir, captions, tmp_path / "out", images_per_caption=2)
    assert (summary.pictures, summary.errors) == (6, 2)
    failed = lines(tmp_path / "out" / "errors.jsonl")
    assert [row["id"] for row in failed] == ["000000001-000000", "000000001-000001"]
    assert failed[0]["caption"] == painted.REFUSED
    assert "no such caption" in failed[0]["error"]
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [row["caption"] for row in manifest] == ["a", "a", "b", "b", "c", "c"]
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_too_many_errors_end_the_job(painted_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a", painted.REFUSED, "b", "c"] * 2)
    folder = tmp_path / "out"
    with pytest.raises(UsageError, match=r"^--max_errors: at most 1 rows may fail .*got 2 or more"):
        generate(painted_dir, captions, folder, max_errors=1)
    assert not (folder / "_SUCCESS").exists()
    summary = generate(painted_dir, captions, folder, max_errors=2, resume=True)
    assert summary.errors == 2


def test_captions_that_cannot_be_read_count_before_anything_is_drawn(
    painted_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    captions = write_captions(tmp_path / "captions.jsonl", ['"a"', "{", "[]", "x"])
    with pytest.raises(UsageError, match="got 3 or more"):
        generate(painted_dir, captions, tmp_path / "out", max_errors=2)
    assert not list((tmp_path / "out").glob("shard*"))
    summary = generate(painted_dir, captions, tmp_path / "out", max_errors=3)
    assert (summary.pictures, summary.errors) == (1, 3)
    failed = lines(tmp_path / "out" / "errors.jsonl")
    assert [(row["caption"], row["seed"]) for row in failed] == [(None, None)] * 3


def test_a_model_without_captions_draws_a_count(
    seeds_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(seeds_dir, None, tmp_path / "out", images_per_caption=7)
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [list(row) for row in manifest] == [["id", "seed", "file", "offset"]] * 7
    assert len({row["seed"] for row in manifest}) == 7
    with pytest.raises(UsageError, match=r"^--count: must be given for a model .*without captions"):
        generate(seeds_dir, captions, tmp_path / "other")


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_half_copied_weights_are_one_error(
    damage: str, painted_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    copy = shutil.copytree(painted_dir, tmp_path / "model")
    for weights in copy.rglob("variables.data-*"):
        content = weights.read_bytes()
        weights.unlink()
        if damage == "cut":
            weights.write_bytes(content[: len(content) // 2])
    captions = write_captions(tmp_path / "captions.txt", ["one"])
    with pytest.raises(UsageError, match=r"^--export_dir: must hold a whole version, as tools"):
        generate(copy, captions, tmp_path / "out")


def test_a_joint_model_adds_its_text(tmp_path: pathlib.Path) -> None:
    painted.write(tmp_path / "model", "joint")
    captions = write_captions(tmp_path / "captions.txt", ["a seven", ""])
    generate(tmp_path / "model", captions, tmp_path / "out")
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [(row["caption"], row["text"]) for row in manifest] == [("a seven", "A SEVEN"), ("", "")]
    with pytest.raises(UsageError, match=r"^--captions: must be given for a model .*with captions"):
        generate(tmp_path / "model", None, tmp_path / "other")


def test_no_captions_are_no_pictures(painted_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", [])
    summary = generate(painted_dir, captions, tmp_path / "out")
    assert (summary.pictures, summary.errors) == (0, 0)
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == b""


def test_a_block_is_written_before_the_next_but_one_is_drawn(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So memory does not grow with the number of captions."""
    events = []
    generate_block, write = block_generator.generate, JobFolder.write_block

    def logged_generate(*arguments: object) -> object:
        events.append("drawn")
        return generate_block(*arguments)

    def logged_write(self: JobFolder, *arguments: object) -> object:
        events.append("written")
        return write(self, *arguments)

    monkeypatch.setattr(block_generator, "generate", logged_generate)
    monkeypatch.setattr(JobFolder, "write_block", logged_write)
    generate(painted_dir, captions, tmp_path / "out", images_per_caption=10)
    assert events.count("drawn") == events.count("written") == 24
    for place in range(len(events)):
        assert 0 <= events[:place].count("drawn") - events[:place].count("written") <= 2


def test_any_filesystem_of_beam_will_do(
    painted_dir: pathlib.Path,
    captions: pathlib.Path,
    job: tuple[pathlib.Path, Summary],
    tmp_path: pathlib.Path,
) -> None:
    mapped = (f"{SCHEME}:/{captions}", f"{SCHEME}:/{tmp_path}/out")
    generate(painted_dir, *mapped, **OPTIONS)
    assert tree(tmp_path / "out") == tree(job[0])
    assert storage.names(mapped[1]) == storage.names(str(job[0]))
    generate(painted_dir, *mapped, resume=True, **OPTIONS)
    assert tree(tmp_path / "out") == tree(job[0])


def test_the_newest_version_is_loaded_unless_one_is_given(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    model = tmp_path / "model"
    for version in ("1", "2", "10"):
        copied = shutil.copytree(painted_dir / "1", model / version)
        (copied / "assets").mkdir(exist_ok=True)
        (copied / "assets" / "version").write_text(version)  # Makes the checksums differ.
    generate(model, captions, tmp_path / "out")
    generate(model / "10", captions, tmp_path / "out")
    for version in ("1", "2"):
        with pytest.raises(UsageError, match=r"with other model$"):
            generate(model / version, captions, tmp_path / "out")


def test_seeds_of_a_caption_differ_between_copies_and_jobs() -> None:
    seeds = {
        beam_pipeline.seed_of(job, caption, copy)
        for job in (0, 1, 2**40)
        for caption in (b"", b"a", "schön".encode(), b"\xff")
        for copy in range(10)
    }
    assert len(seeds) == 120
    assert all(0 <= seed < 2**31 for seed in seeds)
