"""Oxford-102 flowers with Reed's captions: jpg/, imagelabels.mat, text_c10/."""

import functools
import pathlib

import scipy.io

from tfgan2.data import images
from tfgan2.data.sources import Collection, Item, Reject, SourceOptions, reed
from tfgan2.program import UsageError

LICENCE = "as its publishers state: Oxford-102 by Nilsback and Zisserman; captions by Reed et al."
IMAGE_FOLDERS = ("jpg", "102flowers")
LABELS_FILE = "imagelabels.mat"
CLASSES = 102
# Class-disjoint split of 82 and 20 classes if none is given; tests classes 5, 10, ... 100.
TEST_EVERY_NTH_CLASS = 5


def read(options: SourceOptions) -> Collection:
    """Reads the flowers; the captions are found by the image's number.

    The split comes from train/filenames.pickle and test/filenames.pickle or, if these are missing,
    from testclasses.txt, or from trainvalids.txt with allclasses.txt; without any of them, every
    fifth class is tested. setid.mat, whose splits share classes, is not read.

    Args:
      options: `input_dir` holds jpg/image_00001.jpg ..., imagelabels.mat, and
        text_c10/class_00001/image_00001.txt ... (or .t7).

    Returns:
      RGB; by default the centre square of each photograph.

    Raises:
      UsageError: files are missing or not valid.
    """
    root = options.folder
    folder = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise UsageError("--input_dir", "must hold jpg/image_00001.jpg ...", root)
    text = reed.text_folder(root)
    if text is None:
        raise UsageError("--input_dir", "must hold text_c10/class_00001/ ...", root)
    labels = _labels(root / LABELS_FILE)
    files = {path.stem: path for path in sorted(folder.glob("image_*.jpg"))}
    split_of, note = _split(root, text, labels, options.encoding)

    framing = options.framing(resize="crop")
    splits: dict[str, list[Item]] = {"train": [], "test": []}
    rejects: list[Reject] = []
    for name, path in files.items():
        key = f"jpg/{name}"
        label = labels.get(name)
        if label is None:
            rejects.append(Reject(key, f"{LABELS_FILE} has no label for it"))
        elif name not in split_of:
            rejects.append(Reject(key, "filenames.pickle names it neither for train nor for test"))
        else:
            captions, faults = reed.read_captions(
                text, f"{_class_name(label)}/{name}", key=key, encoding=options.encoding
            )
            rejects += faults
            if captions:
                draw = functools.partial(images.load, path, framing=framing)
                splits[split_of[name]].append(Item(key, draw, captions, label - 1))
    return Collection(
        splits=splits,
        label_names=tuple(map(_class_name, range(1, CLASSES + 1))),
        licence=LICENCE,
        rejects=tuple(rejects),
        notes=(note,),
    )


def _labels(path: pathlib.Path) -> dict[str, int]:
    """Reads the class numbers, from 1, by image name."""
    rule = f"must be a MATLAB file with `labels` 1..{CLASSES}"
    try:
        labels = scipy.io.loadmat(path)["labels"].ravel()
    except FileNotFoundError as error:
        raise UsageError("--input_dir", f"must hold {LABELS_FILE}", path.parent) from error
    except Exception as error:  # A damaged file makes scipy raise errors of nearly any type.
        raise UsageError(str(path), rule, repr(error)[:200]) from error
    if labels.dtype.kind not in "iuf" or not len(labels):
        raise UsageError(str(path), rule, labels.dtype)
    if labels.min() < 1 or labels.max() > CLASSES:
        raise UsageError(str(path), rule, f"{labels.min()}..{labels.max()}")
    return {f"image_{number:05d}": int(label) for number, label in enumerate(labels, start=1)}


def _class_name(label: int) -> str:
    return f"class_{label:05d}"


def _split(
    root: pathlib.Path, text: pathlib.Path, labels: dict[str, int], encoding: str | None
) -> tuple[dict[str, str], str]:
    """Returns the split of every image by name, and a note about where the split comes from."""
    published = reed.filenames(root)
    if published is not None:
        names = {split: [key.rpartition("/")[2] for key in published[split]] for split in published}
        reed.check_disjoint(
            {split: {labels.get(name, 0) for name in names[split]} for split in names},
            path=root / "test/filenames.pickle",
        )
        split_of = {name: split for split in names for name in names[split]}
        return split_of, "split: that of filenames.pickle"
    tested = reed.test_classes(root, encoding) or reed.test_classes(text, encoding)
    note = "split: that of the class lists"
    if tested is None:
        every = list(map(_class_name, range(1, CLASSES + 1)))
        tested = reed.every_nth_class(every, TEST_EVERY_NTH_CLASS)
        note = "split: every fifth class is tested, as no filenames.pickle or class list is there"
    return {
        name: "test" if _class_name(label) in tested else "train" for name, label in labels.items()
    }, note
