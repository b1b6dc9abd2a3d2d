"""Names of the metrics, what they need, and names of extractors; imports no TensorFlow."""

# Values of --features that are not the folder of a SavedModel.
DOMAIN, INCEPTION = "domain", "inception_v3"
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
# Metrics of an evaluation that names none; a thousand images need seconds.
LIGHT = METRICS[: METRICS.index("r_precision") + 1]
NEIGHBOURLY = ("precision", "recall", "density", "coverage")
OF_FEATURES = ("diversity", "kid", "fid", *NEIGHBOURLY)
OF_CLASSES = ("agreement", "confidence", "class_entropy")
