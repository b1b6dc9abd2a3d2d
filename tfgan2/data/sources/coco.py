"""COCO captions: train2014/, val2014/ (or 2017), annotations/captions_*.json."""

import functools
import json
import pathlib
from collections import defaultdict

from plain_text.decoding import decode_leniently
from tfgan2.data import images
from tfgan2.data.sources import Collection, Item, Reject, SourceOptions
from tfgan2.data.sources.captions import usable
from tfgan2.program import UsageError

LICENCE = (
    "annotations: COCO Consortium, CC BY 4.0; images: Flickr's terms of use, each its own licence"
)
YEARS = ("2014", "2017")
SETS = {"train": "train", "test": "val"}


def read(options: SourceOptions) -> Collection:
    """Reads COCO: its train set is the train split, its val set the test split.

    Args:
      options: `input_dir` holds annotations/captions_train2014.json and captions_val2014.json, and
        the images in train2014/ and val2014/, or in images/train2014/ and images/val2014/; or the
        same of 2017.

    Returns:
      RGB; by default the centre square of each photograph.

    Raises:
      UsageError: files are missing or not valid, or both years are present.
    """
    root = options.folder
    years = [year for year in YEARS if (root / f"annotations/captions_train{year}.json").is_file()]
    if len(years) != 1:
        rule = "must hold annotations/captions_train2014.json or that of 2017"
        raise UsageError("--input_dir", rule, " and ".join(years) or root)
    framing = options.framing(resize="crop")
    splits: dict[str, list[Item]] = {}
    rejects: list[Reject] = []
    for split, name in SETS.items():
        folder = _image_folder(root, f"{name}{years[0]}")
        table = f"annotations/captions_{name}{years[0]}.json"
        names, texts = _read(root / table, options.encoding)
        splits[split] = []
        rejects += [
            Reject(f"{table}: image {number}", "caption has no image")
            for number in sorted(texts.keys() - names.keys())
        ]
        for number, file_name in sorted(names.items()):
            key = f"{folder.name}/{file_name}"
            captions, faults = usable(key, texts[number], options.encoding)
            rejects += faults
            if captions:
                draw = functools.partial(images.load, folder / file_name, framing=framing)
                splits[split].append(Item(key, draw, captions))
    return Collection(splits=splits, licence=LICENCE, rejects=tuple(rejects))


def _image_folder(root: pathlib.Path, name: str) -> pathlib.Path:
    for folder in (root / name, root / "images" / name):
        if folder.is_dir():
            return folder
    raise UsageError("--input_dir", f"must hold {name}/ or images/{name}/", root)


def _read(
    path: pathlib.Path, encoding: str | None
) -> tuple[dict[int, str], dict[int, list[object]]]:
    """Reads file names and captions by image number."""
    try:
        content = json.loads(decode_leniently(path.read_bytes(), encoding))
        names = {int(image["id"]): image["file_name"] for image in content["images"]}
        texts: dict[int, list[object]] = defaultdict(list)
        for annotation in content["annotations"]:
            texts[int(annotation["image_id"])].append(annotation["caption"])
    except OSError as error:
        raise UsageError(str(path), "must be a readable file", error.strerror) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        rule = "must be COCO's captions: images (id, file_name), annotations (image_id, caption)"
        raise UsageError(str(path), rule, repr(error)[:200]) from error
    for name in names.values():
        if not isinstance(name, str) or pathlib.PurePath(name).name != name:
            raise UsageError(str(path), "must name files without folders", repr(name)[:80])
    return names, texts
