"""Splits for sources without a published split; equal keys give equal splits on any machine."""

import hashlib
import posixpath
import re
from collections.abc import Iterable

import numpy as np

SPLIT_SEED = 0
# Names of folders and shards by split.
NAMES = {
    "train": "train",
    **dict.fromkeys(("test", "validation", "valid", "val", "dev"), "test"),
}
_SHARD = re.compile(rf"({'|'.join(NAMES)})[-_.]")


def of_folder(key: str) -> str | None:
    """Returns the split that the topmost folder of a key names; None if there is none."""
    return NAMES.get(key.partition("/")[0].lower()) if "/" in key else None


def of_shard(key: str) -> str | None:
    """Returns the split that the name of a shard begins with, or else its topmost folder."""
    found = _SHARD.match(posixpath.basename(key).lower())
    return NAMES[found[1]] if found else of_folder(key)


def by_key(keys: Iterable[str], *, test_fraction: float) -> set[str]:
    """Picks the keys with the smallest hashes for the test split.

    Hashes depend on one key only, so few images change their split when others are added.

    Args:
      keys: keys of all images.
      test_fraction: fraction of images in the test split.
    """
    ordered = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    return set(ordered[: round(len(ordered) * test_fraction)])


def is_test(key: str, *, test_fraction: float) -> bool:
    """Whether an image of a stream is in the test split; its key alone decides.

    Args:
      key: key of the image.
      test_fraction: fraction of images in the test split, about.
    """
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:8], "big") < test_fraction * 2**64


def by_class(labels: np.ndarray, *, test_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Picks the same fraction of every class for the test split, and shuffles both splits.

    Args:
      labels: int64 [N].
      test_fraction: fraction of images in the test split.

    Returns:
      Row indices of the train and of the test split, int64.
    """
    generator = np.random.default_rng(SPLIT_SEED)
    train, test = [], []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        held_out = round(len(rows) * test_fraction)
        test.append(rows[:held_out])
        train.append(rows[held_out:])
    return generator.permutation(np.concatenate(train)), generator.permutation(np.concatenate(test))
