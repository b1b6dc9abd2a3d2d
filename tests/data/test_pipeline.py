"""Batches depend only on seed and step."""

import collections
import functools
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.data import order, pipeline, preparing, records
from tfgan2.data.sources import Collection, Item
from tfgan2.program import UsageError

RECORDS = 23
SIDE = 16
NO_LABEL = -1


def draw(number: int) -> np.ndarray:
    """An image whose red, green and blue values encode image number, column and row."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([np.full_like(rows, number), 10 * columns, 10 * rows], -1).astype(np.uint8)


def item(number: int, label: int) -> Item:
    texts = tuple(f"{number} {n}" for n in range(1 + number % 4))
    return Item(str(number), functools.partial(draw, number), texts, label)


def prepare(target: pathlib.Path, *, label: Callable[[int], int]) -> pathlib.Path:
    items = Collection(
        splits={
            "train": [item(n, label(n)) for n in range(RECORDS)],
            "test": [item(100, label(100))],
        },
        label_names=tuple(map(str, range(101))),
        licence="none",
        channels=3,
    )
    preparing.prepare(
        items, source="folder", image_size=SIDE, output_dir=target, count_words=collections.Counter
    )
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data set in which the label of every image is its number."""
    return prepare(tmp_path_factory.mktemp("pipeline") / "data", label=lambda number: number)


def take(
    folder: pathlib.Path | str, count: int, *, view: pipeline.View | None = None, **options: object
) -> list[dict[str, np.ndarray]]:
    given = {"split": "train", "batch_size": 5, "seed": 3, **options}
    manifest = records.load_manifest(folder)
    view = view or pipeline.View(SIDE)
    dataset = pipeline.batches(folder, manifest, view=view, **given)
    return list(dataset.take(count).as_numpy_iterator())


def assert_equal(one: list[dict[str, np.ndarray]], other: list[dict[str, np.ndarray]]) -> None:
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


CROPPED = pipeline.View(8, crop_margin=1.5, horizontal_flip=True)


@pytest.mark.parametrize("cache_mb", [0, 1])
@pytest.mark.parametrize("view", [pipeline.View(SIDE), CROPPED], ids=["whole", "cropped"])
def test_batches_start_at_any_step_without_earlier_steps(
    view: pipeline.View, cache_mb: int, folder: pathlib.Path
) -> None:
    whole = take(folder, 12, view=view, cache_mb=cache_mb)
    assert_equal(whole[7:], take(folder, 5, view=view, start_step=7, cache_mb=cache_mb))


def test_cache_does_not_change_batches(folder: pathlib.Path) -> None:
    assert_equal(take(folder, 12, view=CROPPED, cache_mb=1), take(folder, 12, view=CROPPED))


def test_every_epoch_has_each_record_once_in_a_new_order(folder: pathlib.Path) -> None:
    batches = take(folder, 2 * RECORDS)
    labels = np.concatenate([batch["label"] for batch in batches]).reshape(10, RECORDS)
    assert (np.sort(labels, axis=1) == np.arange(RECORDS)).all()
    assert len({tuple(order) for order in labels.tolist()}) == 10


def test_different_seed_gives_a_different_order(folder: pathlib.Path) -> None:
    one, other = take(folder, 4)[1], take(folder, 4, seed=4)[1]
    assert one["label"].tolist() != other["label"].tolist()


def test_images_have_their_captions_and_labels(folder: pathlib.Path) -> None:
    for batch in take(folder, 5):
        assert batch["image"].dtype == np.float32
        pixels = np.rint((batch["image"] + 1) * 127.5).astype(np.uint8)
        for image, caption, label in zip(pixels, batch["caption"], batch["label"], strict=True):
            np.testing.assert_array_equal(image, draw(label))
            assert int(caption.split()[0]) == label
        for name in ("caption", "label"):
            before = np.roll(batch[name], 1)
            assert batch[f"mismatched_{name}"].tolist() == before.tolist()


def previous_row_of_another_class(labels: list[int], row: int) -> int:
    for back in range(1, len(labels)):
        other = (row - back) % len(labels)
        if labels[other] != labels[row] or labels[row] == NO_LABEL:
            return other
    return (row - 1) % len(labels)


@pytest.mark.parametrize("captions_per_image", [1, 2])
def test_mismatched_caption_is_of_the_closest_earlier_row_of_another_class(
    captions_per_image: int, tmp_path: pathlib.Path
) -> None:
    folder = prepare(
        tmp_path / "data", label=lambda number: number % 2 if number < 16 else NO_LABEL
    )
    options = {"captions_per_image": captions_per_image, "mismatch_other_class": True}
    jumps = set()
    for batch in take(folder, 40, **options):
        labels = batch["label"].tolist()
        mismatched = [previous_row_of_another_class(labels, row) for row in range(len(labels))]
        assert batch["mismatched_caption"].tolist() == batch["caption"][mismatched].tolist()
        assert batch["mismatched_label"].tolist() == batch["label"][mismatched].tolist()
        jumps |= {(row - other) % len(labels) for row, other in enumerate(mismatched)}
    assert jumps >= {1, 2, 3}


def test_mismatched_caption_in_a_batch_of_one_class_is_of_the_previous_row(
    tmp_path: pathlib.Path,
) -> None:
    folder = prepare(tmp_path / "data", label=lambda number: 7)
    (batch,) = take(folder, 1, mismatch_other_class=True)
    assert batch["mismatched_caption"].tolist() == np.roll(batch["caption"], 1).tolist()


def test_mismatch_other_class_changes_only_mismatched_captions(folder: pathlib.Path) -> None:
    (plain,), (other,) = take(folder, 1), take(folder, 1, mismatch_other_class=True)
    assert_equal([plain], [other])  # All rows have different classes.


def test_captions_of_an_image_are_about_equally_frequent(folder: pathlib.Path) -> None:
    batches = take(folder, 400, batch_size=RECORDS)
    counted = collections.Counter(
        caption for batch in batches for caption in batch["caption"].tolist()
    )
    counts = [counted[f"3 {n}".encode()] for n in range(4)]
    assert sum(counts) == 400
    assert min(counts) > 70


def test_captions_per_image_are_distinct_if_the_image_has_enough(folder: pathlib.Path) -> None:
    firsts = set()
    for batch in take(folder, 20, captions_per_image=3):
        assert batch["caption"].shape == (5, 3)
        for captions, label in zip(batch["caption"], batch["label"], strict=True):
            assert len(set(captions.tolist())) == min(3, 1 + label % 4)
            firsts.add(captions[0])
        assert batch["mismatched_caption"].tolist() == np.roll(batch["caption"], 1, 0).tolist()
    assert b"3 3" in firsts


def test_crops_are_random_squares_and_half_are_mirrored(folder: pathlib.Path) -> None:
    view = pipeline.View(8, crop_margin=2.0, horizontal_flip=True)
    places, mirrored = set(), 0
    batches = take(folder, 40, view=view)
    for batch in batches:
        pixels = np.rint((batch["image"] + 1) * 127.5).astype(int)
        for image, label in zip(pixels, batch["label"], strict=True):
            flipped = image[0, 0, 1] > image[0, 1, 1]
            upright = image[:, ::-1] if flipped else image
            mirrored += flipped
            left, top = upright[0, 0, 1] // 10, upright[0, 0, 2] // 10
            np.testing.assert_array_equal(upright, draw(label)[top : top + 8, left : left + 8])
            places.add((left, top))
    assert 70 < mirrored < 130
    assert {place[0] for place in places} == {place[1] for place in places} == set(range(9))


def test_evaluation_uses_the_center_crop(folder: pathlib.Path) -> None:
    manifest = records.load_manifest(folder)
    view = pipeline.View(8, crop_margin=2.0, horizontal_flip=True)
    examples = pipeline.examples(folder, manifest, split="test", view=view)
    np.testing.assert_array_equal(examples.image[0], draw(100)[4:12, 4:12])
    assert examples.captions == [("100 0",)]
    assert examples.label.tolist() == [100]


def test_images_are_resized_to_another_size(folder: pathlib.Path) -> None:
    manifest = records.load_manifest(folder)
    view = pipeline.View(4, crop_margin=1.19)
    assert view.resized == 5
    image = pipeline.examples(folder, manifest, split="test", view=view).image[0]
    assert image.shape == (4, 4, 3)
    assert (image[..., 0] == 100).all()
    assert int(image[0, 0, 1]) == pytest.approx(12, abs=4)


@pytest.fixture
def many_shards(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A data set of 23 train shards of one record each, with windows of three shards."""
    monkeypatch.setattr(records, "MAX_SHARD_BYTES", 1)
    monkeypatch.setattr(order, "WINDOW_SHARDS", 3)
    folder = prepare(tmp_path / "data", label=lambda number: number)
    assert len(records.load_manifest(folder).splits["train"]) == RECORDS
    return folder


def test_epoch_of_many_shards_has_each_record_once_and_starts_at_any_step(
    many_shards: pathlib.Path,
) -> None:
    whole = take(many_shards, 2 * RECORDS)
    labels = np.concatenate([batch["label"] for batch in whole]).reshape(10, RECORDS)
    assert (np.sort(labels, axis=1) == np.arange(RECORDS)).all()
    assert len({tuple(order) for order in labels.tolist()}) == 10
    assert_equal(whole[9:14], take(many_shards, 5, start_step=9))


def test_start_of_training_opens_the_shards_of_its_windows_alone(
    many_shards: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    frames = records._frames
    monkeypatch.setattr(
        records, "_frames", lambda content, path: opened.append(path) or frames(content, path)
    )
    monkeypatch.setattr(pipeline, "MOST_PARALLEL_BATCHES", 1)
    manifest = records.load_manifest(many_shards)
    batches = pipeline.batches(
        many_shards, manifest, split="train", batch_size=1, view=pipeline.View(SIDE), seed=3
    )
    assert opened == []
    next(batches.take(1).as_numpy_iterator())
    assert 1 <= len(opened) <= 2 * order.WINDOW_SHARDS  # Batches are read ahead.
    opened.clear()
    pipeline.stored_captions(many_shards, manifest, split="train", limit=500)
    assert len(opened) == pipeline.SAMPLED_SHARDS


def test_records_of_a_window_come_from_all_its_shards_in_random_order() -> None:
    counts = [50] * (2 * order.WINDOW_SHARDS)
    rows = order.Order(counts, batch_size=400, seed=1)
    first, second = rows.rows(0), rows.rows(1)
    for window in (first, second):
        assert len({row // 50 for row in window}) == order.WINDOW_SHARDS
        assert len({row // 50 for row in window[:40]}) > 4
    assert sorted(first + second) == list(range(800))


def test_few_shards_are_shuffled_as_one() -> None:
    """Data sets up to 1 GiB keep their order: a run continues where it stopped."""
    expected = np.random.default_rng([0, 3, 1]).permutation(23)
    assert order.Order([9, 14], batch_size=23, seed=3).rows(1) == expected.tolist()


def test_batches_of_another_file_system_are_the_same(folder: pathlib.Path) -> None:
    remote = "ram://pipeline/data"
    tf.io.gfile.makedirs(remote)
    for path in folder.iterdir():
        tf.io.gfile.copy(str(path), f"{remote}/{path.name}", overwrite=True)
    assert_equal(take(folder, 5), take(remote, 5))
    assert records.verify(remote) == records.load_manifest(folder)
    tf.io.gfile.remove(f"{remote}/test-00000-of-00001.tfrecord")
    with pytest.raises(UsageError, match=r"ram://.*test-00000.*must have \d+ bytes, got no file"):
        records.load_manifest(remote)
