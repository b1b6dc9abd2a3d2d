"""CUB-200-2011 birds with Reed's captions: CUB_200_2011/, text_c10/ or text/, filenames.pickle."""

import functools
import pathlib
from collections.abc import Callable

from tfgan2.data import images
from tfgan2.data.sources import Collection, Item, Reject, SourceOptions, reed
from tfgan2.data.sources.captions import read_whole
from tfgan2.data.sources.captions import usable as usable_captions
from tfgan2.program import UsageError

LICENCE = "as its publishers state: CUB-200-2011 by Wah et al.; captions by Reed et al."
FOLDER = "CUB_200_2011"
CAPTIONS_PER_IMAGE = 10
REACH = 0.75
# Class-disjoint split of 150 and 50 classes if none is given; tests classes 4, 8, ... 200.
TEST_EVERY_NTH_CLASS = 4


def read(options: SourceOptions) -> Collection:
    """Reads the birds, cropped to squares of 1.5 times the longer side of the bounding box.

    The split comes from train/filenames.pickle and test/filenames.pickle; without them, every
    fourth class is tested. train_test_split.txt, whose splits share classes, is not read.

    Args:
      options: `input_dir` holds CUB_200_2011/ with images.txt, bounding_boxes.txt and images/, and
        text_c10/CLASS/NAME.txt (or .t7), text/CLASS/NAME.txt or captions_DAMSM.pickle.

    Returns:
      RGB; by default the centre square of each crop.

    Raises:
      UsageError: files are missing or not valid.
    """
    root = options.folder
    folder = root / FOLDER
    if not folder.is_dir():
        raise UsageError("--input_dir", f"must hold {FOLDER}/", root)
    paths = _table(folder / "images.txt", options.encoding, fields=1)
    boxes = _table(folder / "bounding_boxes.txt", options.encoding, fields=4)
    keys = {number: path.removesuffix(".jpg") for number, (path,) in paths.items()}
    classes = sorted({_class_of(key) for key in keys.values()})
    published = reed.filenames(root)
    if published is None:
        tested_classes = reed.every_nth_class(classes, TEST_EVERY_NTH_CLASS)
        published = {
            "train": [key for key in keys.values() if _class_of(key) not in tested_classes],
            "test": [key for key in keys.values() if _class_of(key) in tested_classes],
        }
        note = "split: every fourth class is tested, as no filenames.pickle is there"
    else:
        reed.check_disjoint(
            {split: {_class_of(key) for key in published[split]} for split in published},
            path=root / "test/filenames.pickle",
        )
        note = "split: that of filenames.pickle"
    split_of = {key: split for split, names in published.items() for key in names}
    captions = _captions(root, published, options.encoding)

    framing = options.framing(resize="crop")
    splits: dict[str, list[Item]] = {"train": [], "test": []}
    rejects: list[Reject] = []
    for number, key in keys.items():
        if number not in boxes:
            rejects.append(Reject(key, "bounding_boxes.txt has no box for it"))
        elif key not in split_of:
            rejects.append(Reject(key, "filenames.pickle names it neither for train nor for test"))
        else:
            usable, faults = captions(key)
            rejects += faults
            if usable:
                draw = functools.partial(
                    images.load,
                    folder / "images" / paths[number][0],
                    framing=framing,
                    box=widened(*_numbers(boxes[number], folder / "bounding_boxes.txt")),
                )
                label = classes.index(_class_of(key))
                splits[split_of[key]].append(Item(key, draw, usable, label))
    return Collection(
        splits=splits,
        label_names=tuple(name.partition(".")[2].replace("_", " ") or name for name in classes),
        licence=LICENCE,
        rejects=tuple(rejects),
        notes=(note,),
    )


def widened(x: int, y: int, width: int, height: int) -> images.Box:
    """Returns the square crop of a bird that all text-to-image projects use.

    Its centre is the centre of the bounding box, its half side 0.75 times the longer side. It may
    exceed the image, which clips it.
    """
    reach = int(max(width, height) * REACH)
    across, down = int((2 * x + width) / 2), int((2 * y + height) / 2)
    return across - reach, down - reach, across + reach, down + reach


def _class_of(key: str) -> str:
    return key.partition("/")[0]


def _captions(
    root: pathlib.Path, keys: dict[str, list[str]], encoding: str | None
) -> Callable[[str], tuple[tuple[str, ...], list[Reject]]]:
    """Returns a reader of an image's captions: from the text archive, else from DAMSM's pickle."""
    folder = reed.text_folder(root)
    if folder is not None:
        return lambda key: reed.read_captions(folder, key, key=key, encoding=encoding)
    found = reed.damsm_captions(root, keys, per_image=CAPTIONS_PER_IMAGE)
    if found is None:
        raise UsageError("--input_dir", "must hold text_c10/, text/ or captions_DAMSM.pickle", root)
    return lambda key: usable_captions(key, found.get(key, ()))


def _table(path: pathlib.Path, encoding: str | None, *, fields: int) -> dict[str, list[str]]:
    """Reads lines of an image number and `fields` values."""
    rows = {}
    for line in read_whole(path, encoding):
        number, *values = line.split()
        if len(values) != fields:
            raise UsageError(str(path), f"must have a number and {fields} fields a line", line[:80])
        rows[number] = values
    return rows


def _numbers(values: list[str], path: pathlib.Path) -> list[int]:
    try:
        return [int(float(value)) for value in values]
    except (ValueError, OverflowError) as error:
        raise UsageError(str(path), "must hold numbers", " ".join(values)[:80]) from error
