"""Plants failures in a data set's train images, and prints the value of each metric.

python -m tests.metrics.planted DATA_DIR [MATCHING_RUN]

This program prints the tables of docs/metrics.md.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np

from tfgan2.adversarial.sampler import Samples
from tfgan2.data import pipeline, records
from tfgan2.evaluation import extractors
from tfgan2.evaluation.comparison import cell
from tfgan2.metrics import evaluate
from tfgan2.metrics.extraction import EvaluationModels, blurred
from tfgan2.metrics.protocol import Protocol, supported

SAMPLES, SEED = 1000, 0


def noisy(images: np.ndarray) -> np.ndarray:
    """Adds normal noise with a standard deviation of a quarter of the value range."""
    noise = np.random.default_rng(SEED).normal(0.0, 64.0, images.shape)
    return np.rint(np.clip(images + noise, 0, 255)).astype(np.uint8)


class Planted:
    """A sampler of train images with the requested caption and a planted failure."""

    def __init__(
        self,
        train: pipeline.Examples,
        *,
        pixels: Callable[[np.ndarray], np.ndarray] = lambda images: images,
        replace_caption: Callable[[str], str] = lambda caption: caption,
        shuffles: bool = False,
        repeats: bool = False,
    ) -> None:
        self._train, self._pixels, self._replace_caption = train, pixels, replace_caption
        self._shuffles, self._repeats = shuffles, repeats
        self._rows: dict[str, list[int]] = {}
        for row, captions in enumerate(train.captions):
            for caption in captions:
                self._rows.setdefault(caption, []).append(row)

    def __call__(self, captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        if self._repeats:
            return Samples(np.repeat(self._train.image[:1], len(captions), axis=0))
        if self._shuffles:
            rows = np.random.default_rng(seeds[0]).integers(0, len(self._train.label), len(seeds))
            return Samples(self._train.image[rows])
        rows = [
            np.random.default_rng(seed).choice(self._rows[self._replace_caption(caption)])
            for caption, seed in zip(captions, seeds, strict=True)
        ]
        return Samples(self._pixels(self._train.image[rows]))


def failures(train: pipeline.Examples) -> dict[str, Planted]:
    """Samplers by the name of their failure."""
    first: dict[str, int] = {}
    for captions, label in zip(train.captions, train.label, strict=True):
        for caption in captions:
            first[caption] = int(label)
    kept = sorted(set(first.values()))[: len(set(first.values())) // 2]
    by_label = {label: [text for text, own in first.items() if own == label] for label in kept}

    def of_half(caption: str) -> str:
        texts = by_label[kept[first[caption] % len(kept)]]
        return texts[len(caption) % len(texts)]

    found = {
        "none": Planted(train),
        "blurred to 8x8": Planted(train, pixels=blurred),
        "noise": Planted(train, pixels=noisy),
        "one image": Planted(train, repeats=True),
        "captions shuffled": Planted(train, shuffles=True),
    }
    if len(kept) > 1:
        found["half the classes"] = Planted(train, replace_caption=of_half)
    return found


def main() -> None:
    """Prints a table with a row per metric and a column per failure."""
    data_dir = sys.argv[1]
    manifest = records.load_manifest(data_dir)
    view = pipeline.View(manifest.image_size)
    labelled = len(manifest.label_names) > 1
    # An unlabelled data set is compared with itself: each caption has only one image.
    splits = ("train", "test") if labelled else ("train", "train")
    train, real = (pipeline.examples(data_dir, manifest, split=it, view=view) for it in splits)
    matcher = None
    if len(sys.argv) > 2:
        matcher = extractors.load_matching(sys.argv[2], None, channels=manifest.channels).matcher
    classifier = None
    if labelled:
        classifier = extractors.domain_classifier(data_dir, manifest, view=view)
    models = EvaluationModels(classifier=classifier, matcher=matcher)
    other_split = train if labelled else None
    names = supported(real, models, other_split=other_split)
    protocol = Protocol(samples=SAMPLES, seed=SEED, truncation=0.0)
    found = {
        name: evaluate.evaluate(
            sample, real, models, metrics=names, protocol=protocol, other_split=other_split
        )
        for name, sample in failures(train).items()
    }
    print(f"| | {' | '.join(found)} |")
    print(f"| --- |{' --- |' * len(found)}")
    for metric in found["none"]:
        cells = [cell(results[metric]).split()[0] for results in found.values()]
        print(f"| {metric} | {' | '.join(cells)} |")
    for name, results in found.items():
        print(name, {metric: cell(result) for metric, result in results.items()})


if __name__ == "__main__":
    main()
