"""Jobs as a whole: every copy of a caption becomes a picture or an error, once."""

import hashlib
import pathlib

import pytest
import tensorflow as tf

from serving.batch import pipeline, storage
from serving.batch.drawing import Painter
from serving.batch.outputs import Outputs
from serving.program import UsageError
from tests.serving.batch import painted
from tests.serving.batch.jobs import generate, lines, pixels, tree, write_captions
from tests.serving.batch.mapped import SCHEME

CAPTIONS = ["a seven", "the digit 4", "", "a seven", "ein schönes Bild", "8", "nine"]


@pytest.fixture
def captions(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_captions(tmp_path / "captions.txt", CAPTIONS)


def picture(model_dir: pathlib.Path, caption: str, seed: int, rows: int) -> bytes:
    """What the model draws, asked directly."""
    outputs = tf.saved_model.load(str(model_dir / "1")).signatures["generate"](
        caption=tf.constant([caption] * rows),
        seed=tf.constant([seed] * rows, tf.int64),
        truncation=tf.zeros([rows]),
    )
    return outputs["image_bytes"].numpy()[0]


def test_a_manifest_tells_every_picture(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "out"
    summary = generate(painted_dir, captions, folder, images_per_caption=2, shards=2)
    told = lines(folder / "manifest.jsonl")
    assert (summary.pictures, summary.errors, summary.with_unknown_words) == (14, 0, 12)
    assert [row["caption"] for row in told] == [text for text in CAPTIONS for _ in range(2)]
    assert [row["id"] for row in told] == [
        f"{row:09d}-{copy:06d}" for row in range(7) for copy in range(2)
    ]
    for row in told:
        assert (folder / row["file"]).read_bytes() == picture(
            painted_dir, row["caption"], row["seed"], 3
        )
        assert row["unknown_words"] == len(row["caption"].encode())
        assert list(row) == ["id", "caption", "seed", "file", "offset", "unknown_words"]
    # The same caption and copy is the same picture wherever it stands.
    assert [told[0]["seed"], told[1]["seed"]] == [told[6]["seed"], told[7]["seed"]]
    assert {row["file"].partition("/")[0] for row in told} == {
        "shard-00000-of-00002",
        "shard-00001-of-00002",
    }
    pictures = {row["file"] for row in told}
    others = {"manifest.jsonl", "errors.jsonl", "_SUCCESS", "job.json"}
    assert set(tree(folder)) == pictures | others
    assert (folder / "errors.jsonl").read_bytes() == b""


def test_the_seed_is_as_documented(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(painted_dir, captions, tmp_path / "out", seed=5, images_per_caption=2)
    text = "ein schönes Bild".encode()
    digest = hashlib.sha256(bytes([0] * 7 + [5]) + text + bytes([0] * 7 + [1])).digest()
    (row,) = [
        row for row in lines(tmp_path / "out" / "manifest.jsonl") if row["id"] == "000000004-000001"
    ]
    assert row["seed"] == int(f"{int.from_bytes(digest, 'big'):0256b}"[:31], 2)


def test_records_hold_the_same_pictures(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(painted_dir, captions, tmp_path / "png", shards=2)
    generate(painted_dir, captions, tmp_path / "records", shards=2, format="tfrecord")
    files = [str(tmp_path / "records" / f"shard-0000{n}-of-00002.tfrecord") for n in range(2)]
    records = [record.numpy() for record in tf.data.TFRecordDataset(files)]
    told = lines(tmp_path / "records" / "manifest.jsonl")
    for record, row, png_row in zip(
        records, told, lines(tmp_path / "png" / "manifest.jsonl"), strict=True
    ):
        feature = tf.train.Example.FromString(record).features.feature
        assert (
            feature["image"].bytes_list.value[0]
            == (tmp_path / "png" / png_row["file"]).read_bytes()
        )
        assert feature["id"].bytes_list.value[0].decode() == row["id"]
        assert feature["caption"].bytes_list.value[0].decode() == row["caption"]
        assert feature["seed"].int64_list.value[0] == row["seed"] == png_row["seed"]
        assert feature["unknown_words"].int64_list.value[0] == row["unknown_words"]
        content = (tmp_path / "records" / row["file"]).read_bytes()
        assert content[row["offset"] + 12 :].startswith(record)


def test_always_as_many_rows_are_drawn_at_a_time(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(painted_dir, captions, tmp_path / "out", batch_size=5, shards=2)
    drawn = [png for name, png in tree(tmp_path / "out").items() if name.endswith(".png")]
    assert [int(pixels(png)[0, 2]) for png in drawn] == [5] * len(CAPTIONS)


def test_shards_and_workers_change_no_picture(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    threads = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    generate(painted_dir, captions, tmp_path / "one")
    generate(painted_dir, captions, tmp_path / "many", shards=3)
    generate(painted_dir, captions, tmp_path / "threads", shards=3, beam_options=threads)
    assert tree(tmp_path / "many") == tree(tmp_path / "threads")
    for one, many in zip(
        lines(tmp_path / "one" / "manifest.jsonl"),
        lines(tmp_path / "many" / "manifest.jsonl"),
        strict=True,
    ):
        assert one | {"file": ""} == many | {"file": ""}
        png = (tmp_path / "one" / one["file"]).read_bytes()
        assert png == (tmp_path / "many" / many["file"]).read_bytes()


def test_a_row_that_fails_fails_alone(painted_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a", painted.REFUSED, "b", "c"])
    summary = generate(painted_dir, captions, tmp_path / "out", images_per_caption=2)
    assert (summary.pictures, summary.errors) == (6, 2)
    failed = lines(tmp_path / "out" / "errors.jsonl")
    assert [row["id"] for row in failed] == ["000000001-000000", "000000001-000001"]
    assert failed[0]["caption"] == painted.REFUSED
    assert "no such caption" in failed[0]["error"]
    told = lines(tmp_path / "out" / "manifest.jsonl")
    assert [row["caption"] for row in told] == ["a", "a", "b", "b", "c", "c"]
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


def test_a_model_without_captions_draws_a_count(tmp_path: pathlib.Path) -> None:
    painted.write(tmp_path / "model", "of_seeds")
    generate(tmp_path / "model", None, tmp_path / "out", images_per_caption=7)
    told = lines(tmp_path / "out" / "manifest.jsonl")
    assert [list(row) for row in told] == [["id", "seed", "file", "offset"]] * 7
    assert len({row["seed"] for row in told}) == 7
    captions = write_captions(tmp_path / "captions.txt", ["a"])
    with pytest.raises(UsageError, match=r"^--count: must be given for a model .*without captions"):
        generate(tmp_path / "model", captions, tmp_path / "other")


def test_a_joint_model_adds_its_text(tmp_path: pathlib.Path) -> None:
    painted.write(tmp_path / "model", "joint")
    captions = write_captions(tmp_path / "captions.txt", ["a seven", ""])
    generate(tmp_path / "model", captions, tmp_path / "out")
    told = lines(tmp_path / "out" / "manifest.jsonl")
    assert [(row["caption"], row["text"]) for row in told] == [("a seven", "A SEVEN"), ("", "")]
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
    """Whatever the number of captions, no more than this is in memory."""
    seen = []
    draw, write = Painter.draw, Outputs.write_block

    def seen_draw(self: Painter, model: object, block: object) -> object:
        seen.append("drawn")
        return draw(self, model, block)

    def seen_write(self: Outputs, *arguments: object) -> object:
        seen.append("written")
        return write(self, *arguments)

    monkeypatch.setattr(Painter, "draw", seen_draw)
    monkeypatch.setattr(Outputs, "write_block", seen_write)
    generate(painted_dir, captions, tmp_path / "out", images_per_caption=10)
    assert seen.count("drawn") == seen.count("written") == 24
    for place in range(len(seen)):
        assert 0 <= seen[:place].count("drawn") - seen[:place].count("written") <= 2


def test_any_filesystem_of_beam_will_do(
    painted_dir: pathlib.Path, captions: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    generate(painted_dir, captions, tmp_path / "local", shards=2)
    captions.rename(tmp_path / "moved.txt")
    generate(painted_dir, f"{SCHEME}:/{tmp_path}/moved.txt", f"{SCHEME}:/{tmp_path}/out", shards=2)
    assert tree(tmp_path / "out") == tree(tmp_path / "local")
    assert storage.names(f"{SCHEME}:/{tmp_path}/out") == storage.names(str(tmp_path / "local"))
    generate(
        painted_dir,
        f"{SCHEME}:/{tmp_path}/moved.txt",
        f"{SCHEME}:/{tmp_path}/out",
        shards=2,
        resume=True,
    )


def test_the_newest_version_is_loaded_unless_one_is_given(tmp_path: pathlib.Path) -> None:
    captions = write_captions(tmp_path / "captions.txt", ["a"])
    for version in (1, 2, 10):
        painted.write(tmp_path / "model", version=version)
    jobs = {}
    for name in ("", "1", "10"):
        folder = tmp_path / f"out{name}"
        generate(tmp_path / "model" / name, captions, folder)
        jobs[name] = lines_of_job(folder)
    assert jobs[""] == jobs["10"] != jobs["1"]


def lines_of_job(folder: pathlib.Path) -> bytes:
    return (folder / "job.json").read_bytes()


def test_seeds_of_a_caption_differ_between_copies_and_jobs() -> None:
    seeds = {
        pipeline.seed_of(job, caption, copy)
        for job in (0, 1, 2**40)
        for caption in (b"", b"a", "schön".encode(), b"\xff")
        for copy in range(10)
    }
    assert len(seeds) == 120
    assert all(0 <= seed < 2**31 for seed in seeds)
