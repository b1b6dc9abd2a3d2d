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
    "memorization": f"{_FEATURES}, and two images in each split",
}
METRICS = tuple(NEEDS)
# Metrics of an evaluation that names none; a thousand images need seconds.
LIGHT = METRICS[: METRICS.index("r_precision") + 1]
NEIGHBOURLY = ("precision", "recall", "density", "coverage")
OF_FEATURES = ("diversity", "kid", "fid", "memorization", *NEIGHBOURLY)
OF_CLASSES = ("agreement", "confidence", "class_entropy")
# Metrics that need features or codes of a model of the data set's own domain.
OF_DOMAIN = (*OF_FEATURES, "r_precision")
# Metrics that are computed for blurred real images too.
COMPARED_WITH_BLURRED = (*OF_CLASSES, "diversity", "kid", "fid", "r_precision")

# What the value of a metric says: what it is, and which values are good and bad.
MEANINGS = {
    "agreement": "share of pictures with the class of their caption; near that of real images: "
    "good, near chance: the captions have no effect",
    "confidence": "share of pictures with a clear class; near that of real images: good",
    "class_entropy": "evenness of the classes; 1: all equally often, 0: always the same",
    "text_entropy": "evenness of the texts; 1: all equally often, 0: always the same",
    "diversity": "spread of the pictures of a caption; 1: as real images, 0: all the same picture",
    "kid": "distance to real images; 0: none, near kid_blurred: as far as blurred images",
    "r_precision": "share of pictures whose own caption is the best of 100; near that of real "
    "images: good, near chance: the captions have no effect",
    "r_precision_at_5": "the same for the best 5 of 100",
    "fid": "distance to real images; 0: none, near fid_blurred: as far as blurred images",
    "inception_score": "clear and various classes; near that of real images: good, 1: bad",
    "precision": "share of pictures near real images; 1: all, 0: none",
    "recall": "share of real images near pictures; 1: all, 0: none, or one picture repeated",
    "density": "real images near each picture; 1: as real images, 0: none",
    "coverage": "share of real images with a picture next to them; 1: all, 0: none",
    "clip_score": "match of picture and caption; near that of real images: good, near chance: bad",
    "memorization": "probability that a picture is nearer to the train images than a test image "
    "is; near 0.5: new pictures, 1: copies",
    "clip_score_of_mean": "the same, with negative matches",
    "agreement_given": "the same for pictures of given texts",
}
# What the entries beside a metric are, by the ends of their names.
REFERENCES = {
    "_real": "real images",
    "_blurred": "real images blurred to 8x8",
    "_shuffled": "chance: captions exchanged",
}


def meaning(name: str) -> str:
    """Says what an entry of an evaluation is: a metric, or a reference for one."""
    for end, text in REFERENCES.items():
        if name.endswith(end):
            return text
    return MEANINGS[name]
