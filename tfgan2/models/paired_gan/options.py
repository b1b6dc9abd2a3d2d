"""Options of the paired GAN; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.models.matching_aware.options import MatchingAwareOptions
from tfgan2.options import option


@dataclasses.dataclass(frozen=True)
class PairedGANOptions(MatchingAwareOptions):
    """Paired GAN: losses."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    feature_matching_weight: float = option(
        0.0,
        "weight of the distance between a generated image and the real image of its caption, in "
        "the features of the discriminator; for captions of one image; 0: off",
        low=0.0,
        since="0.3.0",
    )
