"""Chooses the captions of sample grids, or reads them from --sample_captions."""

import dataclasses
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from plain_text import decoding
from tfgan2.data import pipeline, records
from tfgan2.program import UsageError, warn
from tfgan2.runs import recipe as recipes
from tfgan2.runs.directory import Config, RunDirectory
from tfgan2.runs.pretrained import PretrainedTextEncoder
from tfgan2.text import tokenizers
from tfgan2.text.options import UNICODE, WORD_ENCODERS

FLAG = "--sample_captions"
COUNT, MOST_GIVEN, SEED = 10, 100, 0
# Images of each split whose captions are candidates.
CANDIDATES = 500


@dataclasses.dataclass(frozen=True)
class SampleCaptions:
    """Captions of sample grids, which are also the example captions of an export.

    Attributes:
      texts: the captions.
      splits: of each caption `train` or `test`; empty if the splits are not known.
    """

    texts: tuple[str, ...]
    splits: tuple[str, ...] = ()

    @property
    def titles(self) -> list[str]:
        """Titles of the rows of a sample grid: the split and the caption."""
        splits = self.splits or ("",) * len(self.texts)
        rows = zip(splits, self.texts, strict=True)
        return [f"{split}: {text}" if split else text for split, text in rows]


def parse(value: str, recipe: recipes.Recipe) -> SampleCaptions:
    """Reads the captions of the flag: a file with a caption per line, or captions separated by |.

    Args:
      value: path of a file that exists, or else the captions.
      recipe: recipe of the run.

    Raises:
      UsageError: the system reads no captions, the file cannot be read, or the number of captions
        is not in 1..100.
    """
    if recipes.system_class(recipe).reads != "captions":
        raise UsageError(FLAG, f"must be left out for {recipe.model}, which reads none", value)
    texts = value.split("|")
    if os.path.isfile(value):
        try:
            texts = decoding.decode(pathlib.Path(value).read_bytes(), flag=None).splitlines()
        except (OSError, decoding.EncodingError) as error:
            raise UsageError(FLAG, "must be a file of UTF-8 text", f"{value} ({error})") from error
    found = tuple(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))
    if not 1 <= len(found) <= MOST_GIVEN:
        rule = f"must be a file with 1 to {MOST_GIVEN} lines, or captions separated by |"
        raise UsageError(FLAG, rule, f"{len(found)} captions of {value[:80]!r}")
    return SampleCaptions(found)


def of_run(config: Config) -> SampleCaptions:
    """Returns the sample captions of the first start of a run."""
    data = config.data
    return SampleCaptions(tuple(data["example_captions"]), tuple(data.get("example_splits", ())))


def of_start(
    flag: str | None,
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    *,
    data_dir: str | os.PathLike,
    texts: Sequence[str] | None,
    text_encoder: PretrainedTextEncoder | None,
) -> SampleCaptions:
    """Returns the given captions, those of the first start, or for a new run captions of the data.

    Args:
      flag: value of the flag, or None.
      run: the run directory, absent for a new run.
      recipe: recipe of the run.
      manifest: manifest of the data set.
      data_dir: folder of the data set.
      texts: texts by label, which a joint model writes instead of captions; None for captions.
      text_encoder: pretrained text encoder, or None.

    Raises:
      UsageError: the value of the flag is not valid.
    """
    if flag is None and run.config_file.exists():
        config = run.read_config()
        if config.data["checksum"] is not None:  # A run of imported weights has no data set yet.
            return of_run(config)
    known = _vocabulary(run, recipe, manifest, text_encoder)
    if flag is not None:
        given = parse(flag, recipe)
        _warn_of_unknown_words(given, known=known, rules=recipe.word_rules)
        return given
    if texts is not None:
        return SampleCaptions(tuple(texts[:COUNT]))
    return choose(data_dir, manifest, known=known, rules=recipe.word_rules)


def _vocabulary(
    run: RunDirectory,
    recipe: recipes.Recipe,
    manifest: records.Manifest,
    text_encoder: PretrainedTextEncoder | None,
) -> Collection[str] | None:
    """Returns the words that a run knows or will know; None: its encoder reads characters."""
    if recipe.text_encoder_kind not in WORD_ENCODERS:
        return None
    for owner in (run, None if text_encoder is None else text_encoder.run):
        if owner is not None and owner.vocabulary_file.exists():
            return set(tokenizers.read_vocabulary(owner.vocabulary_file))
    return manifest.vocabulary


def _warn_of_unknown_words(
    samples: SampleCaptions, *, known: Collection[str] | None, rules: str
) -> None:
    for text, words in zip(samples.texts, tokenizers.words_of(samples.texts, rules), strict=True):
        unknown = [] if known is None else [word for word in words if word not in known]
        if unknown:
            named = ", ".join(unknown[:10])
            warn(f"{FLAG}: the run does not know these words of {text[:80]!r}: {named}")


def choose(
    data_dir: str | os.PathLike,
    manifest: records.Manifest,
    *,
    known: Collection[str] | None,
    rules: str = UNICODE,
) -> SampleCaptions:
    """Chooses ten captions of known words that differ in class, first word and other words.

    Half of them are captions of the test split that the train split does not have, if there are so
    many. The candidates are the first captions of 500 images of each split, evenly chosen.

    Args:
      data_dir: folder of the data set.
      manifest: content of dataset.json.
      known: words that the model knows; None: all words.
      rules: rules of the words.
    """
    trained: set[str] = set()
    candidates: dict[str, dict[str, int]] = {"train": {}, "test": {}}
    for split, classes in candidates.items():
        captions, labels = pipeline.stored_captions(
            data_dir, manifest, split=split, limit=CANDIDATES
        )
        for texts, label in zip(captions, labels.tolist(), strict=True):
            if texts[0] not in trained or split == "train":
                classes.setdefault(texts[0], label)
        trained.update(text for texts in captions for text in texts)
    tests = spread(candidates["test"], known=known, rules=rules, count=COUNT // 2)
    trains = spread(candidates["train"], known=known, rules=rules, count=COUNT - len(tests))
    return SampleCaptions((*trains, *tests), ("train",) * len(trains) + ("test",) * len(tests))


def spread(
    classes: Mapping[str, int], *, known: Collection[str] | None, rules: str = UNICODE, count: int
) -> tuple[str, ...]:
    """Chooses captions one by one: the next has a new class, a new first word and new words.

    Captions with an unknown word are candidates only if all captions have one.

    Args:
      classes: classes by caption; -1: no class.
      known: known words; None: all.
      rules: rules of the words.
      count: number of captions at most.

    Returns:
      The captions, in the order of their classes, then in that of `classes`.
    """
    words = dict(zip(classes, tokenizers.words_of(classes, rules), strict=True))
    readable = [
        text
        for text, parts in words.items()
        if parts and (known is None or all(word in known for word in parts))
    ]
    left = readable or list(classes)
    # The first of equally good captions is chosen: it must not be the first of the data set.
    np.random.default_rng(SEED).shuffle(left)
    chosen: list[str] = []
    chosen_classes: set[int] = {-1}
    first_words: set[str] = set()
    seen: set[str] = set()
    while left and len(chosen) < count:
        best = max(
            left,
            key=lambda text: (
                classes[text] not in chosen_classes,
                not first_words.issuperset(words[text][:1]),
                -len(seen.intersection(words[text])) / max(1, len(words[text])),
            ),
        )
        left.remove(best)
        chosen.append(best)
        chosen_classes.add(classes[best])
        first_words.update(words[best][:1])
        seen.update(words[best])
    order = {text: at for at, text in enumerate(classes)}
    return tuple(sorted(chosen, key=lambda text: (classes[text], order[text])))
