"""MNIST's four files, and Fashion-MNIST's."""

import gzip
import pathlib

import numpy as np
import pytest

from tests.data.formats.test_formats import idx_bytes
from tests.data.sources.conftest import Read, write
from tfgan2.data.sources import mnist_idx
from tfgan2.program import UsageError


def mnist(labels: list[int], test_labels: list[int]) -> dict[str, bytes]:
    files = {}
    for prefix, numbers in (("train", labels), ("t10k", test_labels)):
        images = np.stack([np.full([28, 28], 10 * number, np.uint8) for number in numbers])
        files[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(idx_bytes(images))
        files[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(idx_bytes(np.uint8(numbers)))
    return files


def test_mnist_has_the_published_split_and_captions_of_every_class(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, mnist([5, 0, 4], [7, 2]))
    collection = read("mnist_idx", image_size=32)
    assert {
        split: [item.label for item in items] for split, items in collection.splits.items()
    } == {"train": [5, 0, 4], "test": [7, 2]}
    five = collection.splits["train"][0]
    assert "a handwritten five" in five.captions
    image = five.draw()
    assert image.shape == (32, 32, 1)
    assert set(np.unique(image)) == {0, 50}


def test_uncompressed_files_are_read(tmp_path: pathlib.Path, read: Read) -> None:
    files = mnist([1], [2])
    write(tmp_path, {name.removesuffix(".gz"): gzip.decompress(files[name]) for name in files})
    assert len(read("mnist_idx").splits["train"]) == 1


def test_fashion_mnist_is_recognized_by_its_first_labels(
    tmp_path: pathlib.Path, read: Read
) -> None:
    write(tmp_path, mnist([*mnist_idx.CLOTHES_FIRST_LABELS, 1], [1]))
    collection = read("mnist_idx")
    assert collection.label_names[9] == "ankle boot"
    assert "an ankle boot" in collection.splits["train"][0].captions
    assert "the labels are taken for: t-shirt" in collection.notes[0]


def test_user_can_name_the_classes(tmp_path: pathlib.Path, read: Read) -> None:
    write(tmp_path, {**mnist([1, 0], [1]), "names.txt": "ox\nant\n"})
    collection = read("mnist_idx", class_names=str(tmp_path / "names.txt"))
    assert "an ant" in collection.splits["train"][0].captions
    (tmp_path / "names.txt").write_bytes("Bär\nKäfer\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"names\.txt: .* line 1 is not UTF-8 but perhaps cp1252"):
        read("mnist_idx", class_names=str(tmp_path / "names.txt"))
    named = read("mnist_idx", class_names=str(tmp_path / "names.txt"), encoding="latin-1")
    assert named.label_names == ("Bär", "Käfer")
    write(tmp_path, mnist([2], [1]))
    with pytest.raises(UsageError, match=r"--class_names: must name the labels 0\.\.2, got 2"):
        read("mnist_idx", class_names=str(tmp_path / "names.txt"), encoding="latin-1")


def test_missing_and_unequal_files_are_refused_by_name(tmp_path: pathlib.Path, read: Read) -> None:
    files = mnist([1, 2], [3])
    missing = "t10k-labels-idx1-ubyte.gz"
    write(tmp_path, {name: files[name] for name in files if name != missing})
    with pytest.raises(UsageError, match=f"--input_dir: must hold {missing}"):
        read("mnist_idx")
    write(tmp_path, {missing: gzip.compress(idx_bytes(np.uint8([3, 4])))})
    with pytest.raises(UsageError, match="must have a label for each of the 1 images"):
        read("mnist_idx")
