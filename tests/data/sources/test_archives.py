"""Flowers, birds and COCO, in the layouts of their archives."""

import io
import json
import pathlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

from tests.data.formats.torch7_writer import dump
from tests.data.sources.conftest import (
    Read,
    captions,
    jpeg,
    keys,
    lines,
    mean_colour,
    pickled,
    reasons,
    write,
)
from tfgan2 import characters
from tfgan2.data.sources import cub_birds
from tfgan2.program import UsageError


def mat(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays)
    return buffer.getvalue()


def flowers(labels: list[int]) -> dict[str, bytes | str]:
    files: dict[str, bytes | str] = {
        "imagelabels.mat": mat(labels=np.uint8([labels])),
        "setid.mat": mat(trnid=[[1]], valid=[[2]], tstid=[[3]]),
    }
    for number, label in enumerate(labels, start=1):
        files[f"jpg/image_{number:05d}.jpg"] = jpeg((number * 20, 0, 0))
        files[f"text_c10/class_{label:05d}/image_{number:05d}.txt"] = lines(
            f"flower {number} caption {n}" for n in range(10)
        )
    return files


def test_flowers_are_split_by_the_pickles_and_captioned_by_number(
    tmp_path: pathlib.Path, read: Read
) -> None:
    # Image 1 has the last class: classes are not in the order of images.
    write(tmp_path, flowers([102, 1, 5]))
    names = {"train": ["jpg/image_00003", "jpg/image_00001"], "test": ["jpg/image_00002"]}
    write(tmp_path, {f"{split}/filenames.pickle": pickled(names[split]) for split in names})
    collection = read("oxford_flowers")
    assert keys(collection) == {
        "train": ["jpg/image_00001", "jpg/image_00003"],
        "test": ["jpg/image_00002"],
    }
    for key, texts in captions(collection).items():
        assert texts == tuple(f"flower {int(key[-1])} caption {n}" for n in range(10))
    first = collection.splits["train"][0]
    assert (first.label, collection.label_names[first.label]) == (101, "class_00102")
    assert mean_colour(first)[0] == pytest.approx(20, abs=3)


def test_flowers_without_pickles_are_split_by_class_lists_or_every_fifth_class(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, flowers([1, 5, 6, 10]))
    collection = read("oxford_flowers")
    assert keys(collection)["test"] == ["jpg/image_00002", "jpg/image_00004"]
    assert "every fifth class is tested" in collection.notes[0]
    every = lines(f"class_{label:05d}" for label in range(1, 103))
    others = lines(label for label in range(1, 103) if label != 6)
    write(tmp_path, {"text_c10/allclasses.txt": every, "text_c10/trainvalids.txt": others})
    assert keys(read("oxford_flowers"))["test"] == ["jpg/image_00003"]
    write(tmp_path, {"testclasses.txt": "class_00001\n"})
    collection = read("oxford_flowers")
    assert keys(collection)["test"] == ["jpg/image_00001"]
    assert collection.notes == ("split: that of the class lists",)


def test_captions_of_t7_files_are_decoded(tmp_path: pathlib.Path, read: Read) -> None:
    files = flowers([1])
    del files["text_c10/class_00001/image_00001.txt"]
    texts = ["this flower is red.", "a well-known 'rose'; (yes)"]
    ids = np.zeros([201, len(texts)], np.uint8)
    for column, text in enumerate(texts):
        ids[: len(text), column] = [characters.ALPHABET.rindex(letter) + 1 for letter in text]
    files["text_c10/class_00001/image_00001.t7"] = dump(
        {b"char": ids, b"img": b"jpg/image_00001.jpg", b"txt": np.zeros([2, 1024], np.float32)}
    )
    write(tmp_path, files)
    assert captions(read("oxford_flowers")) == {"jpg/image_00001": tuple(texts)}


def test_faults_of_flowers_are_rejects_with_reasons(tmp_path: pathlib.Path, read: Read) -> None:
    files = flowers([1, 2, 3])
    del files["text_c10/class_00002/image_00002.txt"]
    files["text_c10/class_00003/image_00003.txt"] = b"\xff\xfe\n"
    files["jpg/image_00004.jpg"] = jpeg()
    write(tmp_path, files)
    collection = read("oxford_flowers")
    assert list(captions(collection)) == ["jpg/image_00001"]
    assert reasons(collection) == {
        "jpg/image_00002": "image has no caption",
        "jpg/image_00003": "caption is not UTF-8",
        "jpg/image_00004": "imagelabels.mat has no label for it",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("imagelabels.mat", b"MATLAB 5.0", "must be a MATLAB file"),
        ("imagelabels.mat", mat(labels=np.uint8([[0, 1]])), r"must be a MATLAB file.*got 0\.\.1"),
        ("imagelabels.mat", mat(other=np.uint8([[1]])), "must be a MATLAB file"),
        ("train/filenames.pickle", pickled({"a": 1}), "must be a list of names, got dict"),
        ("train/filenames.pickle", pickled(["jpg/image_00001"]), "test/filenames.pickle: must be"),
    ],
    ids=["broken", "range", "other", "no_list", "one_alone"],
)
def test_files_of_other_content_are_refused(
    name: str, content: bytes, message: str, tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {**flowers([1, 2]), name: content})
    with pytest.raises(UsageError, match=message):
        read("oxford_flowers")


def test_split_with_shared_classes_is_refused(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, flowers([1, 1]))
    for split, number in (("train", 1), ("test", 2)):
        path = f"{split}/filenames.pickle"
        write(tmp_path, {path: pickled([f"jpg/image_{number:05d}"])})
    with pytest.raises(UsageError, match="must have classes of its own in test, got 1"):
        read("oxford_flowers")


KINDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross", "004.Ani")
BIRDS = {kind: f"{kind}/{kind[4:]}_0001" for kind in KINDS}


def birds() -> dict[str, bytes | str]:
    """Birds data: each bird is blue on a red background."""
    image = np.zeros([60, 90, 3], np.uint8)
    image[..., 0] = 200
    image[20:40, 50:80] = [0, 0, 200]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=95, subsampling=0)
    names = list(BIRDS.values())
    files: dict[str, bytes | str] = {
        "CUB_200_2011/images.txt": lines(f"{n} {name}.jpg" for n, name in enumerate(names, 1)),
        "CUB_200_2011/bounding_boxes.txt": lines(f"{n} 50.0 20.0 30.0 20.0" for n in range(1, 5)),
        "CUB_200_2011/train_test_split.txt": lines(f"{n} 1" for n in range(1, 5)),
    }
    for name in names:
        files[f"CUB_200_2011/images/{name}.jpg"] = buffer.getvalue()
        files[f"text_c10/{name}.txt"] = lines(f"{name} {n}" for n in range(10))
    return files


def bird_split(train: list[str], test: list[str]) -> dict[str, bytes | str]:
    return {
        "train/filenames.pickle": pickled([BIRDS[kind] for kind in train]),
        "test/filenames.pickle": pickled([BIRDS[kind] for kind in test]),
    }


def test_birds_are_split_by_the_pickles_and_cropped_to_their_boxes(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {**birds(), **bird_split([KINDS[3], KINDS[0], KINDS[2]], [KINDS[1]])})
    collection = read("cub_birds", image_size=44)
    assert keys(collection) == {
        "train": [BIRDS[KINDS[0]], BIRDS[KINDS[2]], BIRDS[KINDS[3]]],
        "test": [BIRDS[KINDS[1]]],
    }
    item = collection.splits["test"][0]
    assert collection.label_names[item.label] == "Laysan Albatross"
    assert item.captions[3] == f"{BIRDS[KINDS[1]]} 3"
    # The box's centre is (65, 30), its half side 22: columns 43..87, rows 8..52.
    image = item.draw()
    assert image[22, 22].argmax() == 2
    blue = image.argmax(axis=-1) == 2
    assert blue.any(axis=0).nonzero()[0][[0, -1]].tolist() == pytest.approx([7, 36], abs=1)
    assert blue.any(axis=1).nonzero()[0][[0, -1]].tolist() == pytest.approx([12, 31], abs=1)


def test_crop_equals_that_of_published_projects() -> None:
    assert cub_birds.widened(60, 27, 325, 304) == (222 - 243, 179 - 243, 222 + 243, 179 + 243)
    assert cub_birds.widened(11, 5, 8, 7) == (15 - 6, 8 - 6, 15 + 6, 8 + 6)


def test_birds_without_pickles_are_split_by_every_fourth_class(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, birds())
    collection = read("cub_birds")
    assert keys(collection)["test"] == [BIRDS["004.Ani"]]
    assert "every fourth class is tested" in collection.notes[0]


def test_captions_of_birds_are_read_from_the_damsm_pickle(
    tmp_path: pathlib.Path, read: Read
) -> None:
    files = {name: content for name, content in birds().items() if "text_c10" not in name}
    words = {0: "<end>", 1: "a", 2: "red", 3: "blue", 4: "bird"}
    ids = {word: number for number, word in words.items()}
    train = [[1, 2, 4]] * 10 + [[1, 3, 4]] * 10 + [[4]] * 10
    content = [train, [[3, 4]] * 10, words, ids]
    split = bird_split([KINDS[2], KINDS[0], KINDS[3]], [KINDS[1]])
    write(tmp_path, {**files, **split, "captions_DAMSM.pickle": pickled(content)})
    found = captions(read("cub_birds"))
    assert {key: set(texts) for key, texts in found.items()} == {
        BIRDS[KINDS[2]]: {"a red bird"},
        BIRDS[KINDS[0]]: {"a blue bird"},
        BIRDS[KINDS[3]]: {"bird"},
        BIRDS[KINDS[1]]: {"blue bird"},
    }
    write(tmp_path, {"captions_DAMSM.pickle": pickled([train[:-1], *content[1:]])})
    with pytest.raises(UsageError, match="must hold 30 captions of train images, got 29"):
        read("cub_birds")


def test_faults_of_birds_are_rejects_with_reasons(tmp_path: pathlib.Path, read: Read) -> None:
    files = {**birds(), **bird_split([KINDS[0], KINDS[2]], [KINDS[1]])}
    files["CUB_200_2011/bounding_boxes.txt"] = lines(f"{n} 1.0 1.0 5.0 5.0" for n in (2, 3, 4))
    write(tmp_path, files)
    assert reasons(read("cub_birds")) == {
        BIRDS[KINDS[0]]: "bounding_boxes.txt has no box for it",
        BIRDS[KINDS[3]]: "filenames.pickle names it neither for train nor for test",
    }
    write(tmp_path, {"CUB_200_2011/bounding_boxes.txt": "2 1.0 1.0 5.0\n"})
    with pytest.raises(UsageError, match=r"bounding_boxes\.txt: must have a number and 4 fields"):
        read("cub_birds")


def coco(year: str) -> dict[str, bytes | str]:
    files: dict[str, bytes | str] = {}
    for name, numbers in (("train", [9, 25]), ("val", [42])):
        prefix = f"COCO_{name}2014_" if year == "2014" else ""
        files |= {f"{name}{year}/{prefix}{n:012d}.jpg": jpeg() for n in numbers}
        content = {
            "images": [{"id": n, "file_name": f"{prefix}{n:012d}.jpg"} for n in numbers],
            "annotations": [
                {"image_id": n, "id": n * 10 + at, "caption": f"Scene {n}, take {at}.\n"}
                for at in range(5)
                for n in numbers
            ],
        }
        files[f"annotations/captions_{name}{year}.json"] = json.dumps(content)
    return files


@pytest.mark.parametrize("year", ["2014", "2017"])
def test_coco_is_read_in_order_of_image_numbers(
    year: str, tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, coco(year))
    collection = read("coco")
    assert [len(items) for items in collection.splits.values()] == [2, 1]
    item = collection.splits["train"][1]
    assert item.key.endswith("000000000025.jpg")
    assert item.captions == tuple(f"Scene 25, take {at}." for at in range(5))
    assert item.draw().shape == (16, 16, 3)


def test_coco_images_may_be_in_a_folder_images(tmp_path: pathlib.Path, read: Read) -> None:
    files = coco("2014")
    write(tmp_path, {n if "annot" in n else f"images/{n}": content for n, content in files.items()})
    assert read("coco").splits["test"][0].draw().shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "must be COCO's captions"),
        ("[]", "must be COCO's captions"),
        ('{"images": [{"id": 1, "file_name": "../x.jpg"}], "annotations": []}', "without folders"),
        ("[" * 100_000, "must be COCO's captions"),
    ],
    ids=["broken", "list", "escape", "deep"],
)
def test_invalid_coco_annotations_are_refused(
    content: str, message: str, tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, {**coco("2014"), "annotations/captions_train2014.json": content})
    with pytest.raises(UsageError, match=message):
        read("coco")
    write(tmp_path, coco("2017"))
    with pytest.raises(UsageError, match="got 2014 and 2017"):
        read("coco")
