"""Parts of the flower and bird caption archives: keys, class-disjoint splits, captions."""

import pathlib
from collections.abc import Sequence

import numpy as np

from tfgan2.characters import spell
from tfgan2.data.formats import plain_pickle, torch7
from tfgan2.data.sources import Reject, captions
from tfgan2.program import UsageError

TEXT_FOLDERS = ("text_c10", "text")
DAMSM_NAMES = ("captions_DAMSM.pickle", "captions.pickle")


def filenames(root: pathlib.Path) -> dict[str, list[str]] | None:
    """Reads train/filenames.pickle and test/filenames.pickle; None if both are missing.

    Raises:
      UsageError: one of them is missing, or is no list of names.
    """
    paths = {split: root / split / "filenames.pickle" for split in ("train", "test")}
    if not any(path.is_file() for path in paths.values()):
        return None
    names = {}
    for split, path in paths.items():
        names[split] = plain_pickle.read(path)
        if not isinstance(names[split], list) or not all(
            isinstance(name, str) for name in names[split]
        ):
            raise UsageError(str(path), "must be a list of names", type(names[split]).__name__)
    return names


def test_classes(folder: pathlib.Path, encoding: str | None) -> set[str] | None:
    """Reads the test classes from the class lists of the caption archives.

    The lists are testclasses.txt, with one class per line; or trainvalids.txt with allclasses.txt:
    the former holds line numbers of the latter, from 1, and the test classes are the other lines.

    Args:
      folder: folder of the lists.
      encoding: encoding of text without a byte order mark; None: UTF-8.

    Returns:
      Names of the test classes; None without class lists.

    Raises:
      UsageError: a list is not valid.
    """
    tested, every = folder / "testclasses.txt", folder / "allclasses.txt"
    trained = folder / "trainvalids.txt"
    if tested.is_file():
        return {line.strip() for line in captions.read_whole(tested, encoding)}
    if not (trained.is_file() and every.is_file()):
        return None
    classes = [line.strip() for line in captions.read_whole(every, encoding)]
    try:
        numbers = {int(line) for line in captions.read_whole(trained, encoding)}
    except ValueError as error:
        raise UsageError(str(trained), "must hold a number a line", error) from error
    if not numbers <= set(range(1, len(classes) + 1)):
        rule = f"must count the {len(classes)} lines of {every.name} from 1"
        raise UsageError(str(trained), rule, f"{min(numbers)}..{max(numbers)}")
    return {name for number, name in enumerate(classes, start=1) if number not in numbers}


def every_nth_class(classes: Sequence[str], step: int) -> set[str]:
    """Picks every `step`-th class for the test split, if no split is published."""
    return set(sorted(classes)[step - 1 :: step])


def text_folder(root: pathlib.Path) -> pathlib.Path | None:
    """Returns the folder of captions below the root; None if there is none."""
    return next((root / name for name in TEXT_FOLDERS if (root / name).is_dir()), None)


def read_captions(
    folder: pathlib.Path, name: str, *, key: str, encoding: str | None
) -> tuple[tuple[str, ...], list[Reject]]:
    """Reads the captions of an image from NAME.txt or, if that is missing, from NAME.t7.

    Args:
      folder: folder of the caption archive.
      name: name of the image there: class, slash, name without suffix.
      key: name of the image in rejects.
      encoding: encoding of text without a byte order mark; None: UTF-8.

    Returns:
      The usable captions, and the rejects.
    """
    text_file, torch_file = folder / f"{name}.txt", folder / f"{name}.t7"
    texts: Sequence[object] = ()
    try:
        if text_file.is_file():
            texts = captions.read_lines(text_file, encoding)
        elif torch_file.is_file():
            texts = _spelled(torch_file)
    except (OSError, UsageError) as error:
        return (), [Reject(key, f"captions cannot be read: {error}")]
    return captions.usable(key, texts, encoding)


def damsm_captions(
    root: pathlib.Path, keys: dict[str, list[str]], *, per_image: int
) -> dict[str, tuple[str, ...]] | None:
    """Reads captions_DAMSM.pickle; its captions are ids of its own vocabulary.

    Args:
      root: folder of the pickle.
      keys: image keys of each split, in the order of filenames.pickle.
      per_image: number of captions per image.

    Returns:
      Captions by key, in lower case and without punctuation; None if the file is missing.

    Raises:
      UsageError: the file is not valid, or holds another number of captions.
    """
    path = next((root / name for name in DAMSM_NAMES if (root / name).is_file()), None)
    if path is None:
        return None
    found: dict[str, tuple[str, ...]] = {}
    content = plain_pickle.read(path)
    words = _words(content, path)
    for split, lists in zip(("train", "test"), content, strict=False):
        expected = per_image * len(keys[split])
        if not isinstance(lists, list) or len(lists) != expected:
            got = len(lists) if isinstance(lists, list) else type(lists).__name__
            raise UsageError(str(path), f"must hold {expected} captions of {split} images", got)
        try:
            texts = [" ".join(words[number] for number in ids) for ids in lists]
        except (KeyError, TypeError) as error:
            raise UsageError(str(path), "must hold ids of its words", error) from error
        for row, key in enumerate(keys[split]):
            found[key] = tuple(filter(None, texts[row * per_image : (row + 1) * per_image]))
    return found


def _words(content: object, path: pathlib.Path) -> dict[int, str]:
    rule = "must be [train captions, test captions, words by id, ids by word]"
    if not isinstance(content, list | tuple) or len(content) != 4:
        raise UsageError(str(path), rule, type(content).__name__)
    words = content[2]
    if not isinstance(words, dict) or not all(
        isinstance(number, int) and isinstance(word, str) for number, word in words.items()
    ):
        raise UsageError(str(path), rule, type(words).__name__)
    return words


def _spelled(path: pathlib.Path) -> list[str]:
    """Reads the captions of a .t7 file; each column of `char` holds a caption's character ids."""
    table = torch7.read(path)
    ids = table.get(b"char") if isinstance(table, dict) else None
    if not isinstance(ids, np.ndarray) or ids.ndim != 2:
        raise UsageError(str(path), "must hold a table with a matrix `char`", type(ids).__name__)
    try:
        return [spell(column) for column in ids.T.astype(np.int64).tolist()]
    except ValueError as error:
        raise UsageError(str(path), "must spell captions", error) from error


def check_disjoint(classes: dict[str, set], *, path: pathlib.Path) -> None:
    """Checks that a split is class-disjoint.

    Args:
      classes: classes of the images of `train` and of `test`.
      path: file of the split, for error messages.

    Raises:
      UsageError: a class has images in both splits.
    """
    shared = sorted(set(classes["train"]) & set(classes["test"]))
    if shared:
        raise UsageError(str(path), "must have classes of its own in test", shared[0])
