"""Looks at a folder of captioned images, without reading all of the images."""

import collections
import dataclasses
import hashlib
import os
import pathlib
import re
import statistics

from PIL import Image

from tfgan2.data import sources
from tfgan2.data.sources import Item, tree
from tfgan2.program import UsageError

# Images that are opened to find sides and colours.
OPENED = 200
# Side to which an image is reduced, and the largest difference of its channels, to count as grey.
REDUCED_PX, GREY_DIFFERENCE = 32, 8
PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg"})
PREPARED_PX = 64  # `sources.read` needs a size, which affects only images that are decoded.


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
      pictures: number of images with captions.
      without_caption: number of images without a caption.
      captions: number of captions.
      repeated_captions: whether most images have no caption of their own.
      words: number of different words in the captions.
      side_px: median of the longer sides of the images.
      grey: whether all opened images are grey.
      photographs: whether at least half of the images are JPEG files.
      checksum: checksum of the names and sizes of all files.
    """

    pictures: int
    without_caption: int
    captions: int
    repeated_captions: bool
    words: int
    side_px: int
    grey: bool
    photographs: bool
    checksum: str

    def __str__(self) -> str:
        colours = "grey" if self.grey else "colour"
        kind = "photographs" if self.photographs else "pictures"
        repeated = "; most captions have several pictures" if self.repeated_captions else ""
        rest = f"; {self.without_caption} have no caption" if self.without_caption else ""
        return (
            f"{self.pictures:,} {kind} in {colours}, sides of {self.side_px} px, "
            f"{self.captions:,} captions of {self.words:,} words{repeated}{rest}"
        )


def look(input_dir: str | os.PathLike) -> Found:
    """Looks at a folder as `tools.prepare --source=folder` reads it.

    Args:
      input_dir: folder of images and captions.

    Raises:
      UsageError: the folder does not exist, or holds no images, or no image has a caption.
    """
    options = sources.SourceOptions(image_size=PREPARED_PX, input_dir=str(input_dir))
    collection = sources.read("folder", options)
    items = [item for split in collection.splits.values() for item in split]
    without = sum("no caption" in reject.reason for reject in collection.rejects)
    if not items:
        rule = "must hold captions (NAME.txt beside NAME.png, metadata.jsonl or captions.csv)"
        raise UsageError("--input_dir", rule, f"{without} images without one in {input_dir}")
    captions = [caption for item in items for caption in item.captions]
    sides, greys = _open(pathlib.Path(input_dir), items)
    photographs = sum(
        pathlib.PurePath(it.key).suffix.lower() in PHOTOGRAPH_SUFFIXES for it in items
    )
    return Found(
        pictures=len(items),
        without_caption=without,
        captions=len(captions),
        repeated_captions=_are_repeated(items),
        words=len({word for text in captions for word in re.findall(r"\w+", text.lower())}),
        side_px=round(statistics.median(sides)),
        grey=all(greys),
        photographs=2 * photographs >= len(items),
        checksum=_checksum(pathlib.Path(input_dir)),
    )


def _are_repeated(items: list[Item]) -> bool:
    """Whether less than half of the images have a caption that no other image has."""
    images = collections.Counter(caption for item in items for caption in set(item.captions))
    own = sum(any(images[caption] == 1 for caption in item.captions) for item in items)
    return 2 * own < len(items)


def _open(folder: pathlib.Path, items: list[Item]) -> tuple[list[int], list[bool]]:
    """Returns the longer side of some images, spread over the folder, and whether each is grey."""
    sides, greys = [], []
    for item in items[:: -(-len(items) // OPENED)]:
        try:
            with Image.open(folder / item.key) as image:
                sides.append(max(image.size))
                image.draft("RGB", (REDUCED_PX, REDUCED_PX))
                small = image.convert("RGB").resize((REDUCED_PX, REDUCED_PX))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # tools.prepare rejects the image, and says why.
        red, green, blue = (channel.tobytes() for channel in small.split())
        differences = (max(pixel) - min(pixel) for pixel in zip(red, green, blue, strict=True))
        greys.append(max(differences) <= GREY_DIFFERENCE)
    if not sides:
        raise UsageError("--input_dir", "must hold images that can be decoded", folder)
    return sides, greys


def _checksum(folder: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(tree.read(folder).files.values()):
        name = os.fsencode(path.relative_to(folder))
        digest.update(b"%s\0%d\0" % (name, path.stat().st_size))
    return digest.hexdigest()
