"""Measures how often a matching model finds an image's own first caption among 100 captions."""

from collections.abc import Mapping
from typing import Any

from tfgan2.data.pipeline import Examples
from tfgan2.metrics import text_image
from tfgan2.metrics.real_images import distinct_captions
from tfgan2.models.matching.matcher import Matcher
from tfgan2.runs import environment

MOST_IMAGES = 500


def measure(
    matcher: Matcher,
    examples: Mapping[str, Examples],
    *,
    step: int,
    seed: int,
) -> tuple[dict[str, Any], str]:
    """Measures retrieval on images of every split.

    Args:
      matcher: the matching model.
      examples: images by split.
      step: step of the run.
      seed: seed for the choice of negative captions.

    Returns:
      The line of evaluations.jsonl, and a line of text that adds the values of a random ranking.
    """
    metrics: dict[str, dict[str, float]] = {}
    shown = []
    for split, images in examples.items():
        captions = distinct_captions([texts[:1] for texts in images.captions], images.label)
        scores = text_image.retrieval(
            matcher.encode_images(images.image),
            matcher.encode_captions(captions.texts),
            own=captions.first,
            groups=captions.group,
            ranks=text_image.RANKS,
            seed=seed,
        )
        metrics |= {f"{name}_{split}": score for name, score in scores.items()}
        values = ", ".join(
            f"{name} {score['value']:.3f} (chance {score['chance']:.3f})"
            for name, score in scores.items()
        )
        shown.append(f"{split} {values}")
    protocol = {
        "real_images": {split: len(images.image) for split, images in examples.items()},
        "captions": "the first of each image",
        "candidates": text_image.CANDIDATES,
        "seed": seed,
        "checkpoint": f"step {step}",
        "versions": environment.versions(),
    }
    return {"metrics": metrics, "protocol": protocol}, f"step {step}: {'; '.join(shown)}"
