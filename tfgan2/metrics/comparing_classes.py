"""Metrics of the classes that a classifier finds in generated and in real images."""

from collections.abc import Callable, Collection

import numpy as np

from tfgan2.metrics import text_image
from tfgan2.metrics.extraction import BLURRED, CLASSES, Arrays

# Ends of the names of the results of real images, and the prefixes of their arrays.
OF_REFERENCES = (("_real", ""), ("_blurred", BLURRED))
# End of the name of a result with permuted labels.
SHUFFLED = "_shuffled"


def compare(
    generated: Arrays,
    of_real: Arrays,
    metrics: Collection[str],
    *,
    labels: np.ndarray,
    real_labels: np.ndarray,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Computes the metrics that need only a classifier's probabilities, and labels.

    Args:
      generated: probabilities of generated images.
      of_real: probabilities of real images, and of blurred real images.
      metrics: metric names; other metrics are ignored.
      labels: int64 [N], labels of the captions of the generated images, or of their texts.
      real_labels: int64 [N], labels of the real images.
      seed: seed of the permutation of the labels.
    """
    classes = len(np.unique(real_labels))
    measures: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, float]]] = {
        "agreement": lambda found, asked: text_image.agreement(found.argmax(axis=1), asked),
        "confidence": lambda found, _: text_image.confidence(found.max(axis=1)),
        "class_entropy": lambda found, _: text_image.entropy(found.argmax(axis=1), classes=classes),
    }
    permuted = np.random.default_rng(seed).permutation(labels)
    compared = {"": (generated[CLASSES], labels), SHUFFLED: (generated[CLASSES], permuted)}
    for end, prefix in OF_REFERENCES:
        compared[end] = of_real[prefix + CLASSES], real_labels
    return {
        name + end: measure(*pair)
        for name, measure in measures.items()
        if name in metrics
        for end, pair in compared.items()
        if name == "agreement" or end != SHUFFLED
    }
