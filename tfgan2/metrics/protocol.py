"""What can be measured, of how many samples of what, and what it needs."""

import dataclasses
from collections.abc import Sequence

from tfgan2.metrics.captions import RealImages
from tfgan2.metrics.gathering import (
    BLURRED,
    CLASSES,
    CLIP_CODES,
    CODES,
    FEATURES,
    PROBABILITIES,
    Judges,
)
from tfgan2.metrics.inception_score import SPLITS
from tfgan2.program import UsageError

_FEATURES = "two images, and features: labels, a matching model or --features"
NEEDS = {
    "agreement": "labels, and a model that reads or writes",
    "confidence": "labels, and a model without captions",
    "class_entropy": "labels, and a model without captions",
    "text_entropy": "labels, and a model that writes",
    "diversity": "two images, a model that reads or writes, and labels or a matching model",
    "kid": "two images, and labels or a matching model",
    "r_precision": "a model that reads captions, and a matching model (--matching)",
    "fid": f"{_FEATURES}, or --statistics",
    "inception_score": "class probabilities: labels, or --features of a classifier",
    "precision": _FEATURES,
    "recall": _FEATURES,
    "density": _FEATURES,
    "coverage": _FEATURES,
    "clip_score": "a model that reads captions, and --clip",
}
METRICS = tuple(NEEDS)
# What is measured when nothing is named: seconds where there are a thousand pictures.
LIGHT = METRICS[: METRICS.index("r_precision") + 1]
NEIGHBOURLY = ("precision", "recall", "density", "coverage")
OF_FEATURES = ("diversity", "kid", "fid", *NEIGHBOURLY)
OF_CLASSES = ("agreement", "confidence", "class_entropy")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How many samples of what, and how they are counted.

    Attributes:
      samples: pictures drawn.
      seed: of the first picture, and of the choice of captions.
      truncation: of the latents; 0 means the model's own.
      pictures_per_caption: at least so many; fewer than ten tell little of how they vary.
      nearest: neighbours that make a neighbourhood, for precision, recall, density and coverage.
      kid_subsets: how many random subsets KID is a mean of; 0 takes the whole sets at once.
      kid_subset_size: rows of each.
    """

    samples: int
    seed: int
    truncation: float
    pictures_per_caption: int = 10
    nearest: int = 5
    kid_subsets: int = 0
    kid_subset_size: int = 1000


def supported(
    real: RealImages, judges: Judges, *, reads: str | None = "captions"
) -> tuple[str, ...]:
    """Names of the metrics that can be had.

    Args:
      real: images to be held against.
      judges: who looks at images.
      reads: what the model reads: `captions`, `texts` that it also writes, or None.
    """
    labelled = judges.classifier is not None and real.label.min() >= 0
    featured = len(real.label) > 1 and judges.has_features
    allowed = {
        "agreement": labelled and reads is not None,
        "confidence": labelled and reads is None,
        "class_entropy": labelled and reads is None,
        "text_entropy": labelled and reads == "texts",
        "diversity": featured and (reads == "captions" or (reads == "texts" and labelled)),
        "kid": featured,
        "r_precision": judges.matcher is not None and reads == "captions",
        "fid": featured or (judges.statistics is not None and judges.has_features),
        "inception_score": judges.has_probabilities,
        "clip_score": judges.clip is not None and reads == "captions",
        **dict.fromkeys(NEIGHBOURLY, featured),
    }
    return tuple(name for name in METRICS if allowed[name])


def check(
    metrics: Sequence[str],
    real: RealImages,
    judges: Judges,
    protocol: Protocol,
    *,
    reads: str | None,
) -> None:
    """Refuses what can't be measured.

    Raises:
      UsageError: data set, model or protocol do not allow a metric.
    """
    allowed = supported(real, judges, reads=reads)
    for name in metrics:
        if name not in allowed:
            raise UsageError("--metrics", f"{name} needs {NEEDS[name]}", "none")
    fewest = min(protocol.samples, len(real.label))
    if set(metrics) & set(NEIGHBOURLY) and protocol.nearest >= fewest:
        rule = f"must be below the {fewest} images of the smaller set"
        raise UsageError("--nearest", rule, protocol.nearest)
    if "kid" in metrics and protocol.kid_subsets and protocol.kid_subset_size > fewest:
        rule = f"must be at most the {fewest} images of the smaller set"
        raise UsageError("--kid_subset_size", rule, protocol.kid_subset_size)
    if "inception_score" in metrics and fewest < SPLITS:
        raise UsageError("--metrics", f"inception_score needs {SPLITS} images", fewest)


def wanted(metrics: Sequence[str]) -> set[str]:
    """What has to be seen in pictures."""
    needs = {
        FEATURES: OF_FEATURES,
        CLASSES: OF_CLASSES,
        PROBABILITIES: ("inception_score",),
        CODES: ("r_precision",),
        CLIP_CODES: ("clip_score",),
    }
    return {seen for seen, names in needs.items() if set(metrics) & set(names)}


def wanted_of_real(metrics: Sequence[str], judges: Judges) -> set[str]:
    """What has to be seen in real images."""
    against = [name for name in metrics if name != "fid" or judges.statistics is None]
    blur = {BLURRED} if "kid" in metrics else set()
    return (wanted(against) | blur) - {CLASSES}
