"""Splits: each image is in one split, and names of folders and shards say in which."""

import numpy as np
import pytest

from tfgan2.data.sources import splits


def test_every_class_gives_its_share_of_images_to_one_of_two_splits() -> None:
    labels = np.repeat([0, 1, 2], [10, 20, 30])
    train, test = splits.by_class(labels, test_fraction=0.2)
    assert sorted([*train, *test]) == list(range(60))
    assert np.bincount(labels[test]).tolist() == [2, 4, 6]


@pytest.mark.parametrize("name", ["train", "test", "validation", "valid", "val", "dev"])
def test_names_of_folders_and_shards_are_those_of_splits(name: str) -> None:
    split = "train" if name == "train" else "test"
    assert splits.of_folder(f"{name}/a.png") == split
    assert splits.of_shard(f"{name}-0001.tar") == split
    assert splits.of_folder(f"{name}.png") is None
