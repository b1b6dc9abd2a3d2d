"""Makes a collection of images and the texts that were found for them."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from plain_text import decoding
from tfgan2.data.sources import Collection, Entry, Item, Reject, SourceOptions, captions, splits
from tfgan2.data.sources.tree import printable
from tfgan2.program import warn

LICENCE = "the user's own; not stated"
# A translation or a setting: `de.utf8=Eule`.
FORM = re.compile(r"\s*[\w.@-]{1,20}=")
GUESSED_CAPTIONS = 1000
FEWEST_OF_A_FORM, SHARE_OF_A_FORM = 3, 0.1


@dataclasses.dataclass(frozen=True)
class Captioned:
    """An image and the texts that were found for it.

    Attributes:
      key: name of the image within its source.
      draw: as in `Item`.
      texts: captions, usable or not.
      split: `train`, `test`, or None if the layout does not say.
      label: name of the class, or None.
    """

    key: str
    draw: Callable[[], np.ndarray]
    texts: Sequence[object]
    split: str | None = None
    label: str | None = None


def collect(
    images: Iterable[Captioned],
    options: SourceOptions,
    *,
    rejects: Iterable[Reject],
    notes: Iterable[str],
) -> Collection:
    """Keeps the images with usable captions, and splits them.

    The layout gives the split if it has one for every image, and images in both splits. Otherwise
    the key of an image decides.

    Args:
      images: the images, in the order in which they are written.
      options: options of the source.
      rejects: rejects that were found before.
      notes: lines of text about how the source was read.
    """
    left_out, said = [*rejects], [*notes]
    kept: list[tuple[Captioned, tuple[str, ...]]] = []
    undecoded: list[bytes] = []
    for image in images:
        usable, faults = _usable(image, options)
        left_out += faults
        if faults:
            undecoded += captions.undecoded(image.texts)
        if usable:
            kept.append((image, usable))
    if undecoded:
        _warn_of_encoding(undecoded, options.encoding)
    warn_of_a_form([texts for _, texts in kept])
    names = sorted({image.label for image, _ in kept if image.label is not None})
    labels = {name: number for number, name in enumerate(names)}
    items = [
        Item(image.key, image.draw, texts, -1 if image.label is None else labels[image.label])
        for image, texts in kept
    ]
    given = {image.key: image.split for image, _ in kept}
    if set(given.values()) == {"train", "test"}:
        said.append("split: that of the names train and test")
        test = {key for key, split in given.items() if split == "test"}
    else:
        test = splits.by_key(given, test_fraction=options.test_fraction)
    return Collection(
        splits={
            "train": [item for item in items if item.key not in test],
            "test": [item for item in items if item.key in test],
        },
        licence=LICENCE,
        label_names=tuple(names),
        rejects=tuple(Reject(printable(it.key), printable(it.reason)) for it in left_out),
        notes=tuple(said),
    )


def _warn_of_encoding(undecoded: Sequence[bytes], encoding: str | None) -> None:
    """Warns of captions that are not in the encoding of their files."""
    found = f"{len(undecoded)} captions are not {encoding or 'UTF-8'}"
    guessed = None
    if encoding is None:
        guessed = decoding.guess(b"\n".join(itertools.islice(undecoded, GUESSED_CAPTIONS)))
    if guessed is not None:
        name, excerpt = guessed
        found += f" but perhaps {name} ({excerpt!r}); if so, {decoding.FLAG}={name} reads them"
    warn(found)


def entries(
    images: Iterable[Captioned | Reject], options: SourceOptions, *, given_split: bool
) -> Iterator[Entry]:
    """Keeps the images of a stream with usable captions; yields rejects for all others.

    Args:
      images: the images and rejects, in the order in which they are written.
      options: options of the source.
      given_split: whether each image says its split; otherwise its key decides.
    """
    for image in images:
        if isinstance(image, Reject):
            yield image
            continue
        usable, faults = _usable(image, options)
        yield from (Reject(printable(fault.key), printable(fault.reason)) for fault in faults)
        if usable:
            test = splits.is_test(image.key, test_fraction=options.test_fraction)
            split = image.split if given_split and image.split else ("train", "test")[test]
            yield split, Item(image.key, image.draw, usable)


def _usable(image: Captioned, options: SourceOptions) -> tuple[tuple[str, ...], list[Reject]]:
    """Returns the captions of an image that are kept, and the rejects."""
    usable, faults = captions.usable(printable(image.key), image.texts, options.encoding)
    if usable and image.key != printable(image.key):
        return (), [*faults, Reject(printable(image.key), "file name is not UTF-8")]
    return usable[:1] if options.captions == "first" else usable, faults


def warn_of_a_form(texts: Sequence[Sequence[str]]) -> None:
    """Warns if many images have captions such as `de.utf8=Eule`."""
    alike = [next(filter(FORM.match, one), None) for one in texts]
    found = [text for text in alike if text is not None]
    if len(found) >= max(FEWEST_OF_A_FORM, SHARE_OF_A_FORM * len(texts)):
        warn(
            f"{len(found)} of {len(texts)} images have captions of the form KEY=TEXT, such as "
            f"{found[0][:80]!r}; --captions=first keeps the first caption of each image"
        )
