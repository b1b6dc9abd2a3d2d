"""The options of an evaluation, and the metrics that its inputs allow."""

import dataclasses
from collections.abc import Sequence

from tfgan2.metrics.catalogue import (
    COMPARED_WITH_BLURRED,
    METRICS,
    NEEDS,
    NEIGHBOURLY,
    OF_CLASSES,
    OF_FEATURES,
)
from tfgan2.metrics.extraction import (
    BLURRED,
    CLASSES,
    CLIP_CODES,
    CODES,
    FEATURES,
    PROBABILITIES,
    EvaluationModels,
)
from tfgan2.metrics.inception_score import SPLITS
from tfgan2.metrics.real_images import RealImages
from tfgan2.program import UsageError

# Diversity is a variance within a caption.
FEWEST_PICTURES = 2


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Options of an evaluation.

    Attributes:
      samples: number of generated images.
      seed: seed of the first image, and of the choice of captions.
      truncation: truncation of the latents; 0: the model's default.
      pictures_per_caption: images per caption, at least; fewer than 10 are too few for diversity.
      nearest: number of neighbours, k, for precision, recall, density and coverage.
      kid_subsets: number of random subsets over which KID is a mean; 0: KID of the whole sets.
      kid_subset_size: rows of each subset.
    """

    samples: int
    seed: int
    truncation: float
    pictures_per_caption: int = 10
    nearest: int = 5
    kid_subsets: int = 0
    kid_subset_size: int = 1000


def supported(
    real: RealImages,
    models: EvaluationModels,
    *,
    reads: str | None = "captions",
    other_split: RealImages | None = None,
) -> tuple[str, ...]:
    """Lists the metrics that the data set, the models and the generator allow.

    Args:
      real: real images to compare with.
      models: feature extractors and other models.
      reads: conditioning input: `captions`; `texts`, which a joint model also writes; or None.
      other_split: real images of the other split; None: not available.
    """
    labelled = models.classifier is not None and real.label.min() >= 0
    featured = len(real.label) > 1 and models.has_features
    allowed = {
        "agreement": labelled and reads is not None,
        "confidence": labelled and reads is None,
        "class_entropy": labelled and reads is None,
        "text_entropy": labelled and reads == "texts",
        "diversity": featured and (reads == "captions" or (reads == "texts" and labelled)),
        "kid": featured,
        "r_precision": models.matcher is not None and reads == "captions",
        "fid": featured or (models.statistics is not None and models.has_features),
        "inception_score": models.has_probabilities,
        "clip_score": models.clip is not None and reads == "captions",
        "memorization": featured and other_split is not None and len(other_split.label) > 1,
        **dict.fromkeys(NEIGHBOURLY, featured),
    }
    return tuple(name for name in METRICS if allowed[name])


def check(
    metrics: Sequence[str],
    real: RealImages,
    models: EvaluationModels,
    protocol: Protocol,
    *,
    reads: str | None,
    other_split: RealImages | None,
) -> None:
    """Checks that the metrics can be computed.

    Raises:
      UsageError: the data set, the model or the protocol does not allow a metric.
    """
    allowed = supported(real, models, reads=reads, other_split=other_split)
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
    if "diversity" in metrics and protocol.pictures_per_caption < FEWEST_PICTURES:
        rule = f"must be at least {FEWEST_PICTURES} for diversity"
        raise UsageError("--pictures_per_caption", rule, protocol.pictures_per_caption)
    if "inception_score" in metrics and fewest < SPLITS:
        raise UsageError("--metrics", f"inception_score needs {SPLITS} images", fewest)


def wanted(metrics: Sequence[str]) -> set[str]:
    """Names the arrays that the metrics need of generated images."""
    needs = {
        FEATURES: OF_FEATURES,
        CLASSES: OF_CLASSES,
        PROBABILITIES: ("inception_score",),
        CODES: ("r_precision",),
        CLIP_CODES: ("clip_score",),
    }
    return {array for array, names in needs.items() if set(metrics) & set(names)}


def wanted_of_real(metrics: Sequence[str], models: EvaluationModels) -> set[str]:
    """Names the arrays that the metrics need of real images, and of blurred real images."""
    against = [name for name in metrics if name != "fid" or models.statistics is None]
    of_blurred = wanted([name for name in against if name in COMPARED_WITH_BLURRED])
    return wanted(against) | {f"{BLURRED}{name}" for name in of_blurred}
